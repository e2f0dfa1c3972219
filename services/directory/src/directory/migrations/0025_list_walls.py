"""Mailing lists and their members: references past the walls name the tenant, as all others do (docs/adr/0008)."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE mailing_list
    ADD CONSTRAINT list_of_tenant UNIQUE (account_id, tenant_id),
    ADD CONSTRAINT list_of_account FOREIGN KEY (account_id, tenant_id)
        REFERENCES account (account_id, tenant_id) ON DELETE CASCADE""",
    """ALTER TABLE list_member
    ADD CONSTRAINT member_of_list FOREIGN KEY (account_id, tenant_id)
        REFERENCES mailing_list (account_id, tenant_id) ON DELETE CASCADE""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
