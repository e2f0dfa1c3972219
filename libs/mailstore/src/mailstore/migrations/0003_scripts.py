"""Sieve scripts of accounts: several by name, one of them active.

The digest lets a reader ask for what it has not compiled yet only.
"""

from alembic import op
from pgkit.migrations import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE sieve_script (
    account_id UUID NOT NULL,
    name TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    content BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    active BOOLEAN DEFAULT false NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (account_id, name),
    FOREIGN KEY(account_id) REFERENCES account (account_id) ON DELETE CASCADE
)""",
    "CREATE UNIQUE INDEX sieve_script_active ON sieve_script (account_id) WHERE active",
)


def upgrade() -> None:
    """Create the table, walled in by tenant."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("sieve_script")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
