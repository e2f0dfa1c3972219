"""Certificates of clients: of one account each, and authorities of a tenant."""

from alembic import op
from pgkit.migrations import protect

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE client_certificate (
    tenant_id UUID NOT NULL,
    owner_id UUID NOT NULL,
    fingerprint TEXT NOT NULL,
    account_id UUID,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    certificate BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (owner_id, fingerprint),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    CONSTRAINT client_certificate_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_client_certificate_fingerprint ON client_certificate (fingerprint)",
    "CREATE INDEX ix_client_certificate_account_id ON client_certificate (account_id)",
    "CREATE INDEX ix_client_certificate_tenant_id ON client_certificate (tenant_id)",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("client_certificate")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
