"""OpenID providers of tenants."""

from alembic import op
from pgkit.migrations import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE openid_provider (
    tenant_id UUID NOT NULL,
    issuer TEXT NOT NULL,
    audiences TEXT[] NOT NULL,
    address_claim TEXT NOT NULL,
    required_scopes TEXT[] NOT NULL,
    client_id TEXT NOT NULL,
    sealed_secret BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, issuer),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_openid_provider_issuer ON openid_provider (issuer)",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("openid_provider")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
