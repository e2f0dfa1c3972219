"""References name the tenant too.

PostgreSQL checks references past the walls (row-level security does not apply
to them), so a key without the tenant let one tenant's address stand in
another's domain. With the tenant in the key that cannot be written at all.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE domain ADD CONSTRAINT domain_of_tenant UNIQUE (name, tenant_id)",
    "ALTER TABLE account ADD CONSTRAINT account_of_tenant UNIQUE (account_id, tenant_id)",
    "ALTER TABLE address ADD CONSTRAINT address_of_tenant UNIQUE (domain, local_part, tenant_id)",
    """ALTER TABLE address
        DROP CONSTRAINT address_domain_fkey,
        ADD CONSTRAINT address_in_domain FOREIGN KEY (domain, tenant_id) REFERENCES domain (name, tenant_id),
        DROP CONSTRAINT address_account_id_fkey,
        ADD CONSTRAINT address_of_account FOREIGN KEY (account_id, tenant_id)
            REFERENCES account (account_id, tenant_id) ON DELETE CASCADE""",
    """ALTER TABLE alias_target
        DROP CONSTRAINT alias_target_domain_local_part_fkey,
        ADD CONSTRAINT target_of_alias FOREIGN KEY (domain, local_part, tenant_id)
            REFERENCES address (domain, local_part, tenant_id) ON DELETE CASCADE""",
    """ALTER TABLE credential
        DROP CONSTRAINT credential_account_id_fkey,
        ADD CONSTRAINT credential_of_account FOREIGN KEY (account_id, tenant_id)
            REFERENCES account (account_id, tenant_id) ON DELETE CASCADE""",
)


def upgrade() -> None:
    """Put the tenant into the keys."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
