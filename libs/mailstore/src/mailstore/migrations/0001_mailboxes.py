"""Mailboxes, messages, entries, deliveries.

The tables as of this step are those of mailstore.tables; later steps alter them.
"""

from alembic import op
from mailstore.tables import metadata
from pgkit.migrations import grant_sequences, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("account", "mailbox", "subscription", "message", "entry", "vanished", "delivery", "orphan_object")


def upgrade() -> None:
    """Create everything, walled in by tenant."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in TABLES])
    # Headers and structures are short and read often: compressing them costs more than it saves.
    for column in ("header", "envelope", "bodystructure", "body", "parts", "prefix", "digest"):
        op.execute(f"ALTER TABLE message ALTER COLUMN {column} SET STORAGE EXTERNAL")
    protect(*TABLES)
    grant_sequences()


def downgrade() -> None:
    """There is no way back from the first step."""
    raise RuntimeError("the first step cannot be undone")
