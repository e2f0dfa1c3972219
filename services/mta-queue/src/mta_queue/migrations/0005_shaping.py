"""How much goes to a destination's site at once and in a time, and what is counted of it over all processes."""

from alembic import op
from pgkit.migrations import protect, protect_shared

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE queue_shape (
    shape_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID,
    matches TEXT NOT NULL,
    shape JSONB NOT NULL,
    PRIMARY KEY (shape_id),
    CONSTRAINT queue_shape_once UNIQUE NULLS NOT DISTINCT (tenant_id, matches)
)""",
    """CREATE TABLE queue_site_use (
    scope TEXT NOT NULL,
    site TEXT NOT NULL,
    process TEXT NOT NULL,
    connections INTEGER NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (scope, site, process)
)""",
    """CREATE TABLE queue_site_rate (
    scope TEXT NOT NULL,
    site TEXT NOT NULL,
    period_seconds INTEGER NOT NULL,
    free_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (scope, site, period_seconds)
)""",
    "CREATE INDEX queue_site_rate_age ON queue_site_rate (free_at)",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("queue_shape")
    protect_shared("queue_site_use", "queue_site_rate")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
