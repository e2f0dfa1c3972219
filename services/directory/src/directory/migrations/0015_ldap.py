"""Where a tenant's passwords are kept by somebody else."""

from alembic import op
from pgkit.migrations import protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE ldap_source (
    tenant_id UUID NOT NULL,
    url TEXT NOT NULL,
    bind_dn TEXT NOT NULL,
    sealed_password BYTEA,
    base_dn TEXT NOT NULL,
    filter TEXT NOT NULL,
    ca_certificates TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id) ON DELETE CASCADE
)""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("ldap_source")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
