"""What each user has of a mailbox, his own or another's: the key of his URLs (RFC 4467), annotations of a reader's own."""

from alembic import op
from pgkit.migrations import protect

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE mailbox_key (
    account_id UUID NOT NULL,
    mailbox_id BIGINT NOT NULL,
    holder_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    key BYTEA NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, holder_id),
    FOREIGN KEY(account_id, mailbox_id) REFERENCES mailbox (account_id, mailbox_id) ON DELETE CASCADE
)""",
    "CREATE INDEX mailbox_key_holder ON mailbox_key (holder_id)",
    """CREATE TABLE reader_annotation (
    account_id UUID NOT NULL,
    mailbox_id BIGINT NOT NULL,
    reader_id UUID NOT NULL,
    entry TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, reader_id, entry),
    FOREIGN KEY(account_id, mailbox_id) REFERENCES mailbox (account_id, mailbox_id) ON DELETE CASCADE
)""",
    "CREATE INDEX reader_annotation_reader ON reader_annotation (reader_id, account_id)",
)


def upgrade() -> None:
    """Two tables that version N-1 does not look at."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("mailbox_key", "reader_annotation")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
