"""Who came in, or tried: one row an account, hour, door, address and outcome."""

from alembic import op
from pgkit.migrations import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE sign_in (
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    service TEXT NOT NULL,
    address TEXT NOT NULL,
    outcome TEXT NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (account_id, hour, service, address, outcome),
    CONSTRAINT sign_in_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_sign_in_account_id_last_at ON sign_in (account_id, last_at)",
    "CREATE INDEX ix_sign_in_last_at ON sign_in (last_at)",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("sign_in")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
