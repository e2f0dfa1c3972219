"""By what a member of a mailing list was suspended, so that it can be asked again. Version N-1 leaves it empty."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column that version N-1 does not look at."""
    op.execute("ALTER TABLE list_member ADD COLUMN bounce_event TEXT")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
