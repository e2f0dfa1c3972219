"""What was noticed about a sign-in: from where nobody came before, or after much guessing."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE sign_in ADD COLUMN new_device BOOLEAN DEFAULT false NOT NULL",
    "ALTER TABLE sign_in ADD COLUMN suspicious BOOLEAN DEFAULT false NOT NULL",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
