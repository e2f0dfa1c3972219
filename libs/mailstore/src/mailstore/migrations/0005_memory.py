"""What scripts of an account must remember for a while: who was answered (RFC 5230 §4.2), what was seen (RFC 7352)."""

from alembic import op
from pgkit.migrations import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE sieve_memory (
    account_id UUID NOT NULL,
    handle BYTEA NOT NULL,
    tenant_id UUID NOT NULL,
    kept_until TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account_id, handle),
    FOREIGN KEY(account_id) REFERENCES account (account_id) ON DELETE CASCADE
)""",
    "CREATE INDEX sieve_memory_age ON sieve_memory (kept_until)",
)


def upgrade() -> None:
    """Create the table, walled in by tenant."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("sieve_memory")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
