"""Tallies of failed logins, shared by all processes of the directory, and a secret that they share too."""

from alembic import op
from pgkit.migrations import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE login_limit (
    breadth TEXT NOT NULL,
    subject TEXT NOT NULL,
    prefix TEXT NOT NULL,
    tenant_id UUID,
    account_id UUID,
    failures INTEGER DEFAULT 0 NOT NULL,
    failed_at TIMESTAMP WITH TIME ZONE,
    succeeded_at TIMESTAMP WITH TIME ZONE,
    touched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (breadth, subject, prefix)
)""",
    "CREATE INDEX ix_login_limit_touched_at ON login_limit (touched_at)",
    "CREATE INDEX ix_login_limit_account_id ON login_limit (account_id) WHERE account_id IS NOT NULL",
    """CREATE TABLE shared_secret (
    name TEXT NOT NULL,
    tenant_id UUID,
    value BYTEA NOT NULL,
    PRIMARY KEY (name)
)""",
    # Two random uuids: 244 bits of chance.
    """INSERT INTO shared_secret (name, value)
       SELECT 'logins', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))""",
)


def upgrade() -> None:
    """Create both, walled in: rows without a tenant are the operator's."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("login_limit", "shared_secret")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
