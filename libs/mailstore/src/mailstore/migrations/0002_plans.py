"""Indexes that leave the planner no choice, what QRESYNC needs when vanished UIDs are forgotten, cheaper walls.

- A mailbox_id belongs to one account, but the planner takes the two columns for
  independent and always expects one row of a mailbox. Indexes that begin with
  both then look as good as the primary key and are read from end to end. So
  changes are found by (account_id, modseq), which is also what JMAP asks.
- `delivery` is looked up by queue id for a respool and by age for pruning; both
  ascend with time, so a BRIN index does, at next to no cost for a delivery.
- The policies look up the tenant once a statement and not once a row.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("account", "mailbox", "subscription", "message", "entry", "vanished", "delivery", "orphan_object")

POLICY = (
    "tenant_id = (SELECT nullif(current_setting('posthouse.tenant', true), '')::uuid)"
    " OR (SELECT current_setting('posthouse.scope', true) = 'operator')"
)

STATEMENTS = (
    "CREATE INDEX entry_modseq ON entry (account_id, modseq)",
    "DROP INDEX entry_changes",
    "CREATE INDEX entry_deleted ON entry (account_id, mailbox_id) WHERE system_flags & 8 <> 0",
    "CREATE INDEX vanished_modseq ON vanished (account_id, modseq)",
    "DROP INDEX vanished_changes",
    "ALTER TABLE vanished ADD COLUMN vanished_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL",
    "CREATE INDEX vanished_age ON vanished USING brin (vanished_at) WITH (autosummarize = on)",
    "ALTER TABLE mailbox ADD COLUMN forgotten_modseq BIGINT DEFAULT '0' NOT NULL",
    "CREATE INDEX delivery_queue ON delivery USING brin (queue_id) WITH (pages_per_range = 16, autosummarize = on)",
    "CREATE INDEX delivery_age ON delivery USING brin (filed_at) WITH (pages_per_range = 16, autosummarize = on)",
    "DROP INDEX delivery_filed_at",
    # Counters change with every delivery: room on the page keeps those updates off the indexes.
    "ALTER TABLE account SET (fillfactor = 50)",
    "ALTER TABLE mailbox SET (fillfactor = 50)",
)


def upgrade() -> None:
    """Alter the tables of step 0001."""
    for statement in STATEMENTS:
        op.execute(statement)
    for table in TABLES:
        op.execute(f'ALTER POLICY tenant_wall ON "{table}" USING ({POLICY}) WITH CHECK ({POLICY})')


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
