"""Short bodies wait in the database, in the transaction that files them, until they are packed into the object storage.

Version N-1 cannot read a body that waits, which is for seconds only: it answers that the message is damaged, and a client
asks again.
"""

from alembic import op
from pgkit.migrations import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE staged_body (
    body_id UUID NOT NULL,
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    content BYTEA,
    object_key TEXT,
    body_offset BIGINT,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (body_id),
    FOREIGN KEY(account_id) REFERENCES account (account_id) ON DELETE CASCADE
)""",
    "CREATE INDEX staged_body_waiting ON staged_body (changed_at) WHERE content IS NOT NULL",
    "CREATE INDEX staged_body_account ON staged_body (account_id)",
    "ALTER TABLE staged_body ALTER COLUMN content SET STORAGE EXTERNAL",
)


def upgrade() -> None:
    """A table that version N-1 does not look at."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("staged_body")


def downgrade() -> None:
    """Bodies may wait here."""
    raise RuntimeError("pack what is staged first")
