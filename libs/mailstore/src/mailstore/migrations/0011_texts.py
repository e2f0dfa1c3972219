"""The texts of messages' bodies, for searching (see `mailstore.texts`)."""

from alembic import op
from pgkit.migrations import protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Trusted: the owner of the database may.
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    """CREATE TABLE message_text (
    account_id UUID NOT NULL,
    message_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    body TEXT NOT NULL,
    complete BOOLEAN NOT NULL,
    language TEXT NOT NULL,
    words TSVECTOR NOT NULL,
    PRIMARY KEY (account_id, message_id),
    FOREIGN KEY(account_id, message_id) REFERENCES message (account_id, message_id) ON DELETE CASCADE
)""",
)


def upgrade() -> None:
    """Create the table, walled in by tenant."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("message_text")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
