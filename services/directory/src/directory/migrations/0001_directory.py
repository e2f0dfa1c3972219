"""Tenants, domains, accounts, addresses, aliases, credentials."""

from alembic import op
from directory.tables import metadata
from pgkit.migrations import grant_sequences, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("tenant", "domain", "account", "address", "alias_target", "credential")


def upgrade() -> None:
    """Create everything, walled in by tenant."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in TABLES])
    op.execute(
        "ALTER TABLE alias_target ADD FOREIGN KEY (domain, local_part)"
        " REFERENCES address (domain, local_part) ON DELETE CASCADE"
    )
    protect(*TABLES)
    grant_sequences()


def downgrade() -> None:
    """There is no way back from the first step."""
    raise RuntimeError("the first step cannot be undone")
