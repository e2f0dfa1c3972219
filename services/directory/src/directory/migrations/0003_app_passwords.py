"""App passwords: credentials with a name, the doors they are good for, an end, and where they were used last."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE credential
        ADD COLUMN name TEXT DEFAULT '' NOT NULL,
        ADD COLUMN scopes TEXT[] DEFAULT '{}' NOT NULL,
        ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN last_used_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN last_used_service TEXT DEFAULT '' NOT NULL,
        ADD COLUMN last_used_address TEXT DEFAULT '' NOT NULL""",
    "CREATE UNIQUE INDEX credential_password ON credential (account_id) WHERE kind = 'password'",
    "CREATE UNIQUE INDEX credential_app_name ON credential (account_id, name) WHERE kind = 'app'",
)


def upgrade() -> None:
    """Only adds: version N-1 goes on with the columns that it knows."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
