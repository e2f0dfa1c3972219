"""Scripts of a tenant: those that run before and after its users' own, and those that they may include. Versions stay."""

from alembic import op
from pgkit.migrations import protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE tenant_script (
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    content BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    active BOOLEAN DEFAULT false NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (tenant_id, name, version)
)""",
    "CREATE UNIQUE INDEX tenant_script_active ON tenant_script (tenant_id, name) WHERE active",
)


def upgrade() -> None:
    """Create the table, walled in by tenant."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("tenant_script")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
