"""Mailing lists: who may come and see, and members whose mail comes back."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE mailing_list
    ADD COLUMN subscribing TEXT DEFAULT 'closed' NOT NULL,
    ADD COLUMN visible_to TEXT DEFAULT 'owners' NOT NULL,
    ADD COLUMN bounce_limit INTEGER DEFAULT 5 NOT NULL,
    ADD COLUMN bounce_action TEXT DEFAULT 'suspend' NOT NULL""",
    """ALTER TABLE list_member
    ADD COLUMN bounce_days INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN bounced_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN last_bounce TEXT DEFAULT '' NOT NULL,
    ADD COLUMN suspended_at TIMESTAMP WITH TIME ZONE""",
)


def upgrade() -> None:
    """Only adds."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this, so there is no need to go back."""
    raise RuntimeError("this step cannot be undone")
