"""How many attempts may use a source at once, whichever pools it is in."""

from alembic import op
from pgkit.migrations import protect_shared

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A table of its own: the version before takes all columns of queue_egress.
STATEMENTS = (
    """CREATE TABLE queue_egress_cap (
    address TEXT NOT NULL,
    proxy TEXT NOT NULL,
    attempts_most INTEGER NOT NULL,
    PRIMARY KEY (address, proxy)
)""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect_shared("queue_egress_cap")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
