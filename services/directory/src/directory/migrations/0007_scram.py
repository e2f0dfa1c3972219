"""What SCRAM-SHA-256 needs (RFC 5802): one salt an account, and two keys a credential."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A default that differs from row to row: accounts that version N-1 makes have a salt too.
    """ALTER TABLE account ADD COLUMN scram_salt BYTEA NOT NULL
       DEFAULT substring(sha256(convert_to(gen_random_uuid()::text, 'UTF8')) FROM 1 FOR 16)""",
    """ALTER TABLE credential
        ADD COLUMN scram_iterations INTEGER,
        ADD COLUMN scram_stored_key BYTEA,
        ADD COLUMN scram_server_key BYTEA""",
)


def upgrade() -> None:
    """Only adds. Keys come when a password is set, or given in the clear the next time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
