"""What somebody has seen in others' mailboxes is found by who it was: it goes with the account."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = ("CREATE INDEX reader_seen_reader ON reader_seen (reader_id, account_id)",)


def upgrade() -> None:
    """An index that version N-1 does not know of."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
