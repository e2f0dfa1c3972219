"""Choices of tenants and accounts as one JSON value each, so that a new one needs no step here."""

from alembic import op
from pgkit.migrations import protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE tenant_policy ADD COLUMN choices JSONB DEFAULT '{}' NOT NULL",
    """UPDATE tenant_policy SET choices = jsonb_build_object('dmarc', 'DMARC_LIMIT_' || upper(dmarc))
       WHERE dmarc <> ''""",
    """CREATE TABLE account_settings (
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    choices JSONB DEFAULT '{}' NOT NULL,
    PRIMARY KEY (account_id),
    CONSTRAINT settings_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
)


def upgrade() -> None:
    """Only adds; what was chosen is taken over."""
    op.execute("ALTER TABLE tenant_policy NO FORCE ROW LEVEL SECURITY")
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("ALTER TABLE tenant_policy FORCE ROW LEVEL SECURITY")
    protect("account_settings")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
