"""What waits, and what is settled."""

from alembic import op
from mta_queue.tables import metadata
from pgkit.migrations import grant_sequences, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("queue_item", "relay_outcome")


def upgrade() -> None:
    """Create everything, walled in by tenant."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in TABLES])
    protect(*TABLES)
    grant_sequences()


def downgrade() -> None:
    """There is no way back from the first step."""
    raise RuntimeError("the first step cannot be undone")
