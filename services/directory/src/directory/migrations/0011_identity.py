"""All addresses of an account, delegates, domain aliases and catch-alls, and what is left of deleted accounts."""

from alembic import op
from pgkit.migrations import protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    # What an address looks like (core/confusable.py, of which this is as much as ASCII needs).
    "ALTER TABLE address ADD COLUMN skeleton TEXT",
    """UPDATE address SET skeleton =
       translate(replace(replace(local_part, 'rn', 'm'), 'vv', 'w'), '01|', 'oll')""",
    "CREATE INDEX address_skeleton ON address (domain, skeleton)",
    "ALTER TABLE domain ADD COLUMN alias_of TEXT",
    "ALTER TABLE domain ADD COLUMN catch_all TEXT[] DEFAULT '{}' NOT NULL",
    """ALTER TABLE domain ADD CONSTRAINT domain_alias_of FOREIGN KEY (alias_of, tenant_id)
       REFERENCES domain (name, tenant_id)""",
    "CREATE INDEX ix_domain_alias_of ON domain (alias_of) WHERE alias_of IS NOT NULL",
    "ALTER TABLE account ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE account ADD COLUMN deleted_addresses TEXT[] DEFAULT '{}' NOT NULL",
    "CREATE INDEX ix_account_deleted_at ON account (deleted_at) WHERE deleted_at IS NOT NULL",
    """CREATE TABLE delegation (
    domain TEXT NOT NULL,
    local_part TEXT NOT NULL,
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    send_right TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (domain, local_part, account_id),
    CONSTRAINT delegation_of_address FOREIGN KEY (domain, local_part, tenant_id)
        REFERENCES address (domain, local_part, tenant_id) ON DELETE CASCADE,
    CONSTRAINT delegation_to_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_delegation_account_id ON delegation (account_id)",
    """CREATE TABLE removed_account (
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    store TEXT NOT NULL,
    removed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (account_id)
)""",
)


def upgrade() -> None:
    """Only adds; addresses that are there get their looks."""
    op.execute("ALTER TABLE address NO FORCE ROW LEVEL SECURITY")
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("ALTER TABLE address FORCE ROW LEVEL SECURITY")
    protect("delegation", "removed_account")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
