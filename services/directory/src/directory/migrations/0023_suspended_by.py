"""Who suspended an account: the operator, its tenant, or both; neither lifts what the other did."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Only adds. `suspended` stays what holds; where neither is said it was the operator's (adapters/accounts.py)."""
    op.execute(
        """ALTER TABLE account ADD COLUMN suspended_by_operator BOOLEAN NOT NULL DEFAULT false,
                               ADD COLUMN suspended_by_tenant BOOLEAN NOT NULL DEFAULT false"""
    )


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
