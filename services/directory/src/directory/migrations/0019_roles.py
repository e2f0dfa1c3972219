"""What an account may do in its tenant beside using its own mail."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE account ADD COLUMN roles TEXT[] DEFAULT '{}' NOT NULL
       CONSTRAINT account_roles CHECK (roles <@ ARRAY['administrator', 'auditor'])""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
