"""What a tenant chooses where it may choose: a row for each tenant that has chosen something."""

from alembic import op
from pgkit.migrations import protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE tenant_policy (
    tenant_id UUID NOT NULL,
    dmarc TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id) ON DELETE CASCADE
)""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("tenant_policy")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
