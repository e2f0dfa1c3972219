"""Accounts that nobody owns and several people share; an account's groups are found by what leads to it."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE account ADD COLUMN shared BOOLEAN DEFAULT false NOT NULL",
    "CREATE INDEX alias_target_target ON alias_target (tenant_id, target)",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
