"""Private keys that sign for domains (DKIM), sealed with a key that the database does not hold."""

from alembic import op
from pgkit.migrations import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE dkim_key (
    domain TEXT NOT NULL,
    selector TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    algorithm TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    record TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (domain, selector),
    CONSTRAINT dkim_key_of_domain FOREIGN KEY (domain, tenant_id)
        REFERENCES domain (name, tenant_id) ON DELETE CASCADE
)""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("dkim_key")


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
