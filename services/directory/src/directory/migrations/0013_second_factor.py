"""Second factors of web logins, recovery codes, and challenges under way."""

from alembic import op
from pgkit.migrations import protect

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE second_factor (
    factor_id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BYTEA,
    webauthn_id BYTEA,
    public_key BYTEA,
    counter BIGINT DEFAULT 0 NOT NULL,
    confirmed BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (factor_id),
    CONSTRAINT second_factor_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_second_factor_account_id ON second_factor (account_id)",
    """CREATE TABLE recovery_code (
    account_id UUID NOT NULL,
    verifier TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    PRIMARY KEY (account_id, verifier),
    CONSTRAINT recovery_code_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
    """CREATE TABLE login_challenge (
    challenge_id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    challenge BYTEA NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (challenge_id),
    CONSTRAINT login_challenge_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_login_challenge_expires_at ON login_challenge (expires_at)",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("second_factor", "recovery_code", "login_challenge")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
