"""Annotations of mailboxes and of accounts (RFC 5464)."""

from alembic import op
from pgkit.migrations import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE annotation (
    account_id UUID NOT NULL,
    mailbox_id BIGINT NOT NULL,
    entry TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, entry),
    FOREIGN KEY(account_id) REFERENCES account (account_id) ON DELETE CASCADE
)""",
)


def upgrade() -> None:
    """A table that version N-1 does not look at."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("annotation")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
