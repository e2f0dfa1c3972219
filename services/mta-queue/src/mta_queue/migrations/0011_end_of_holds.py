"""Items that are held for a while: when they go on by themselves."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE queue_item ADD COLUMN held_until TIMESTAMP WITH TIME ZONE",
    "CREATE INDEX queue_item_hold ON queue_item (held_until) WHERE status = 'held' AND held_until IS NOT NULL",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
