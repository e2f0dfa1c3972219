"""Which conversation a message belongs to (RFC 8474). Empty where version N-1 files it: then it is worked out when asked."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = ("ALTER TABLE message ADD COLUMN thread_id BYTEA",)


def upgrade() -> None:
    """A column that version N-1 does not look at; no row is rewritten."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
