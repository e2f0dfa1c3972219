"""Tenants, domains, accounts, addresses, aliases, credentials.

Written out and never changed: what a step did must not depend on what
directory.tables says today. Later steps alter it.
"""

from alembic import op
from pgkit.migrations import grant_sequences, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("tenant", "domain", "account", "address", "alias_target", "credential")

STATEMENTS = (
    """CREATE TABLE tenant (
    tenant_id UUID DEFAULT gen_random_uuid() NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT DEFAULT '' NOT NULL,
    suspended BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id),
    UNIQUE (name)
)""",
    """CREATE TABLE domain (
    name TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    suspended BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (name),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id)
)""",
    "CREATE INDEX ix_domain_tenant_id ON domain (tenant_id)",
    """CREATE TABLE account (
    account_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID NOT NULL,
    display_name TEXT DEFAULT '' NOT NULL,
    store TEXT DEFAULT 'default' NOT NULL,
    suspended BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (account_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id)
)""",
    "CREATE INDEX ix_account_tenant_id ON account (tenant_id)",
    """CREATE TABLE address (
    domain TEXT NOT NULL,
    local_part TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    account_id UUID,
    is_primary BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (domain, local_part),
    FOREIGN KEY (domain) REFERENCES domain (name),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
    FOREIGN KEY (account_id) REFERENCES account (account_id) ON DELETE CASCADE
)""",
    "CREATE INDEX ix_address_tenant_id ON address (tenant_id)",
    "CREATE INDEX ix_address_account_id ON address (account_id)",
    "CREATE UNIQUE INDEX address_primary ON address (account_id) WHERE is_primary",
    """CREATE TABLE alias_target (
    domain TEXT NOT NULL,
    local_part TEXT NOT NULL,
    place SMALLINT NOT NULL,
    tenant_id UUID NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (domain, local_part, place),
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id),
    FOREIGN KEY (domain, local_part) REFERENCES address (domain, local_part) ON DELETE CASCADE
)""",
    """CREATE TABLE credential (
    credential_id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    verifier TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (credential_id),
    FOREIGN KEY (account_id) REFERENCES account (account_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id) REFERENCES tenant (tenant_id)
)""",
    "CREATE INDEX ix_credential_account_id ON credential (account_id)",
)


def upgrade() -> None:
    """Create everything, walled in by tenant."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect(*TABLES)
    grant_sequences()


def downgrade() -> None:
    """There is no way back from the first step."""
    raise RuntimeError("the first step cannot be undone")
