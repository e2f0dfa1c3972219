"""Mailing lists: a shared account whose mail goes to members."""

from alembic import op
from pgkit.migrations import protect

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE mailing_list (
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    posting TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    owners TEXT[] NOT NULL,
    moderators TEXT[] NOT NULL,
    next_number BIGINT DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (account_id),
    FOREIGN KEY (account_id) REFERENCES account (account_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id)
)""",
    "CREATE INDEX mailing_list_tenant_id ON mailing_list (tenant_id)",
    """CREATE TABLE list_member (
    account_id UUID NOT NULL,
    number BIGINT NOT NULL,
    tenant_id UUID NOT NULL,
    address TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (account_id, number),
    FOREIGN KEY (account_id) REFERENCES mailing_list (account_id) ON DELETE CASCADE
)""",
    "CREATE UNIQUE INDEX list_member_address ON list_member (account_id, lower(address))",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("mailing_list", "list_member")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
