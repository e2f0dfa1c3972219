"""Items that wait for their release, and turns by priority.

`urgency` is the sign of the priority: each lane has three lines, and an index probe finds the head of each.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE queue_item ADD COLUMN release_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE queue_item ADD COLUMN priority SMALLINT DEFAULT 0 NOT NULL",
    "ALTER TABLE queue_item ADD COLUMN urgency SMALLINT DEFAULT 0 NOT NULL",
    "CREATE INDEX queue_item_turn ON queue_item (tenant_id, domain, urgency, next_attempt_at)"
    " WHERE status = 'waiting'",
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
