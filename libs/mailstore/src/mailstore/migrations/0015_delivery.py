"""What a batch of deliveries begins with, and whose scripts run, are one statement each: two turns less, and two.

The functions run as who calls them, so the walls between tenants hold in them as ever.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Lock the accounts in their order, then look where their mailboxes stand (a statement after the lock sees what those
# before it have committed), then note the deliveries; one that is known already gives no row.
OPEN = """CREATE FUNCTION open_delivery_1(
    tenant uuid, accounts uuid[], owners uuid[], names text[], receivers uuid[], queue_ids text[], recipients text[])
RETURNS TABLE (kind text, account_id uuid, name text, recipient text, number bigint, uid_next bigint)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
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
    INSERT INTO delivery AS d (account_id, queue_id, recipient, tenant_id)
    SELECT a, q, r, tenant FROM unnest(receivers, queue_ids, recipients) AS t(a, q, r)
    ON CONFLICT DO NOTHING
    RETURNING 'delivery', d.account_id, d.queue_id, d.recipient, 0::bigint, 0::bigint;
END $function$"""

# Of accounts of any tenant; what belongs to a tenant has its id as owner.
ACTIVE_SCRIPTS = """CREATE FUNCTION active_scripts_1(accounts uuid[], tenants uuid[])
RETURNS TABLE (owner uuid, name text, digest bytea)
LANGUAGE plpgsql VOLATILE AS $function$
#variable_conflict use_column
BEGIN
    PERFORM set_config('posthouse.scope', 'operator', true);
    RETURN QUERY
    SELECT s.account_id, '', s.digest FROM sieve_script s WHERE s.account_id = ANY(accounts) AND s.active
    UNION ALL
    SELECT t.tenant_id, t.name, t.digest FROM tenant_script t
    WHERE t.tenant_id = ANY(tenants) AND t.active AND t.name IN ('before', 'after');
END $function$"""


def upgrade() -> None:
    """Functions that version N-1 does not call."""
    op.execute(OPEN)
    op.execute(ACTIVE_SCRIPTS)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
