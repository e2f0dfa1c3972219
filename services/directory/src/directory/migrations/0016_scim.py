"""Provisioning: tokens, what a tenant's own identity management calls accounts, and groups with a name."""

from alembic import op
from pgkit.migrations import protect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE scim_token (
    token_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    verifier TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (token_id),
    CONSTRAINT scim_token_verifier UNIQUE (verifier),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_scim_token_tenant_id ON scim_token (tenant_id)",
    "ALTER TABLE account ADD COLUMN external_id TEXT DEFAULT '' NOT NULL",
    """CREATE UNIQUE INDEX account_external_id ON account (tenant_id, external_id)
       WHERE external_id <> '' AND deleted_at IS NULL""",
    """CREATE TABLE address_group (
    group_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID NOT NULL,
    domain TEXT NOT NULL,
    local_part TEXT NOT NULL,
    display_name TEXT NOT NULL,
    external_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (group_id),
    CONSTRAINT group_of_alias FOREIGN KEY (domain, local_part, tenant_id)
        REFERENCES address (domain, local_part, tenant_id) ON DELETE CASCADE
)""",
    "CREATE UNIQUE INDEX address_group_address ON address_group (domain, local_part)",
    "CREATE INDEX address_group_name ON address_group (tenant_id, display_name)",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("scim_token", "address_group")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
