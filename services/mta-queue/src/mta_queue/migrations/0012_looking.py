"""Looking whether there is anything to do, in one turn to the server and back: what most looks find is nothing."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Another whenever any rule is another (adapters.rules), however it was written. Of a webhook only what is a rule:
# the rest moves with whatever it is told. Rows that are changed are other rows, in another place or of another transaction.
RULES_STAMP = """CREATE FUNCTION rules_stamp_1() RETURNS text LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    PERFORM set_config('posthouse.scope', 'operator', true);
    RETURN (SELECT md5(concat_ws(' ',
        (SELECT string_agg(ctid || '/' || xmin, ' ' ORDER BY ctid) FROM queue_suspension
         WHERE expires_at IS NULL OR expires_at > now()), '-',
        (SELECT string_agg(ctid || '/' || xmin, ' ' ORDER BY ctid) FROM queue_schedule), '-',
        (SELECT string_agg(ctid || '/' || xmin, ' ' ORDER BY ctid) FROM queue_route), '-',
        (SELECT string_agg(ctid || '/' || xmin, ' ' ORDER BY ctid) FROM queue_egress), '-',
        (SELECT string_agg(ctid || '/' || xmin, ' ' ORDER BY ctid) FROM queue_egress_cap), '-',
        (SELECT string_agg(ctid || '/' || xmin, ' ' ORDER BY ctid) FROM queue_shape), '-',
        (SELECT string_agg(webhook_id || '/' || array_to_string(events, ','), ' ' ORDER BY webhook_id)
         FROM webhook), '-',
        EXISTS (SELECT FROM suppression))));
END $function$"""

# The operator's last order, and whether any lane has its turn.
TURNS = """CREATE FUNCTION turns_1(at timestamptz) RETURNS TABLE (last_order bigint, is_due boolean)
LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    PERFORM set_config('posthouse.scope', 'operator', true);
    -- A plan that was made when the table was empty must not read all of it when it is full.
    PERFORM set_config('enable_seqscan', 'off', true);
    RETURN QUERY WITH RECURSIVE tenant (tenant_id) AS (
        (SELECT lane.tenant_id FROM queue_lane lane ORDER BY lane.tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT next.tenant_id FROM queue_lane next WHERE next.tenant_id > tenant.tenant_id
                ORDER BY next.tenant_id LIMIT 1)
        FROM tenant WHERE tenant.tenant_id IS NOT NULL)
    SELECT (SELECT coalesce(max(audit_id), 0) FROM queue_audit), EXISTS (
        SELECT FROM tenant CROSS JOIN LATERAL (
            SELECT FROM queue_lane lane WHERE lane.tenant_id = tenant.tenant_id AND lane.turn_at <= at LIMIT 1) turn);
END $function$"""

JOB_WAITS = """CREATE FUNCTION job_waits_1() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    PERFORM set_config('posthouse.scope', 'operator', true);
    RETURN EXISTS (SELECT FROM queue_job WHERE status = 'running');
END $function$"""

WEBHOOK_WAITS = """CREATE FUNCTION webhook_waits_1() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    PERFORM set_config('posthouse.scope', 'operator', true);
    RETURN EXISTS (SELECT FROM webhook h WHERE h.next_at <= now() AND EXISTS (
        SELECT FROM webhook_delivery d WHERE d.webhook_id = h.webhook_id AND d.dead_at IS NULL));
END $function$"""


def upgrade() -> None:
    """Functions that version N-1 does not call."""
    for statement in (RULES_STAMP, TURNS, JOB_WAITS, WEBHOOK_WAITS):
        op.execute(statement)


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
