"""Which deliveries were settled by refusing them: a repetition is to tell of none as if it were filed.

Version N-1 goes on calling the function that it knows (0015), and writes that nothing was refused.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COLUMN = "ALTER TABLE delivery ADD COLUMN refused TEXT"

# As open_delivery_1, which says what is what, with `statuses` beside it (null where nothing is refused). Where not all
# were new, those that were refused before are told too.
OPEN = """CREATE FUNCTION open_delivery_2(
    tenant uuid, accounts uuid[], owners uuid[], names text[], receivers uuid[], queue_ids text[], recipients text[],
    statuses text[])
RETURNS TABLE (kind text, account_id uuid, name text, recipient text, number bigint, uid_next bigint)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
DECLARE
    noted bigint;
BEGIN
    RETURN QUERY
    WITH locked AS (
        SELECT account_id FROM account WHERE account_id = ANY(accounts) ORDER BY account_id FOR UPDATE)
    UPDATE account a SET modseq = a.modseq + 1 FROM locked l WHERE a.account_id = l.account_id
    RETURNING 'account', a.account_id, '', '', a.modseq, 0::bigint;
    RETURN QUERY
    SELECT 'mailbox', m.account_id, m.name, '', m.mailbox_id, m.uid_next
    FROM unnest(owners, names) AS wanted(account_id, name)
    CROSS JOIN LATERAL (SELECT account_id, name, mailbox_id, uid_next FROM mailbox
        WHERE mailbox.account_id = wanted.account_id AND mailbox.name = wanted.name OFFSET 0) m;
    RETURN QUERY
    INSERT INTO delivery AS d (account_id, queue_id, recipient, tenant_id, refused)
    SELECT a, q, r, tenant, s FROM unnest(receivers, queue_ids, recipients, statuses) AS t(a, q, r, s)
    ON CONFLICT DO NOTHING
    RETURNING 'delivery', d.account_id, d.queue_id, d.recipient, 0::bigint, 0::bigint;
    GET DIAGNOSTICS noted = ROW_COUNT;
    IF noted < cardinality(receivers) THEN
        RETURN QUERY
        SELECT 'refused', d.account_id, d.queue_id, d.recipient, 0::bigint, 0::bigint
        FROM unnest(receivers, queue_ids, recipients) AS known(a, q, r)
        CROSS JOIN LATERAL (SELECT account_id, queue_id, recipient, refused FROM delivery
            WHERE delivery.account_id = known.a AND delivery.queue_id = known.q AND delivery.recipient = known.r
            OFFSET 0) d
        WHERE d.refused IS NOT NULL;
    END IF;
END $function$"""


def upgrade() -> None:
    """A column that may be empty, and a function that version N-1 does not call."""
    op.execute(COLUMN)
    op.execute(OPEN)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
