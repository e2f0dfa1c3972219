"""Who may do what with a mailbox that is not his own (RFC 4314), and which messages each of these has seen."""

from alembic import op
from pgkit.migrations import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE mailbox_right (
    account_id UUID NOT NULL,
    mailbox_id BIGINT NOT NULL,
    identifier TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    rights TEXT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, identifier),
    FOREIGN KEY(account_id, mailbox_id) REFERENCES mailbox (account_id, mailbox_id) ON DELETE CASCADE
)""",
    "CREATE INDEX mailbox_right_identifier ON mailbox_right (tenant_id, identifier)",
    """CREATE TABLE reader_seen (
    account_id UUID NOT NULL,
    mailbox_id BIGINT NOT NULL,
    reader_id UUID NOT NULL,
    uid BIGINT NOT NULL,
    tenant_id UUID NOT NULL,
    seen BOOLEAN NOT NULL,
    modseq BIGINT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, reader_id, uid),
    FOREIGN KEY(account_id, mailbox_id) REFERENCES mailbox (account_id, mailbox_id) ON DELETE CASCADE
)""",
    "CREATE INDEX reader_seen_uid ON reader_seen (account_id, mailbox_id, uid)",
)


def upgrade() -> None:
    """Create the tables, walled in by tenant."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("mailbox_right", "reader_seen")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
