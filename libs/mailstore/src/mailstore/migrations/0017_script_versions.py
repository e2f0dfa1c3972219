"""What users' scripts said before they were replaced or deleted. Version N-1 keeps none and reads none."""

from alembic import op
from pgkit.migrations import protect

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENT = """CREATE TABLE sieve_script_version (
    account_id UUID NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    tenant_id UUID NOT NULL,
    content BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    replaced_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (account_id, name, version),
    FOREIGN KEY(account_id) REFERENCES account (account_id) ON DELETE CASCADE
)"""


def upgrade() -> None:
    """Create the table, walled in by tenant."""
    op.execute(STATEMENT)
    protect("sieve_script_version")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
