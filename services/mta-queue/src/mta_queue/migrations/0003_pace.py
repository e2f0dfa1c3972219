"""When it is whose turn: lanes, suspensions, schedules, warnings.

A lane is one tenant's mail for one domain. `turn_at` is when its turn comes: never later than its next item is
due, unless its destination is paused or suspended. The trigger keeps that so for whoever writes items, the version
before this one included. It never sets a turn into the past: a lane that gets new items does not overtake those
that wait already.
"""

from alembic import op
from pgkit.migrations import grant_sequences, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # When the sender is to be told that it takes longer; NULL: it has been, or is not to be.
    "ALTER TABLE queue_item ADD COLUMN warn_at TIMESTAMP WITH TIME ZONE",
    "CREATE INDEX queue_item_warning ON queue_item (warn_at) WHERE warn_at IS NOT NULL AND status = 'waiting'",
    "CREATE INDEX queue_item_lane ON queue_item (tenant_id, domain, next_attempt_at) WHERE status = 'waiting'",
    "CREATE INDEX queue_item_expiry ON queue_item (expires_at) WHERE status = 'waiting'",
    """CREATE TABLE queue_lane (
    tenant_id UUID NOT NULL,
    domain TEXT NOT NULL,
    turn_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (tenant_id, domain)
) WITH (fillfactor = 50)""",
    "CREATE INDEX queue_lane_turn ON queue_lane (tenant_id, turn_at)",
    "CREATE INDEX queue_lane_domain ON queue_lane (domain)",
    """CREATE TABLE queue_suspension (
    suspension_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID,
    domain TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (suspension_id),
    CONSTRAINT queue_suspension_once UNIQUE NULLS NOT DISTINCT (tenant_id, domain)
)""",
    """CREATE TABLE queue_schedule (
    schedule_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID,
    domain TEXT NOT NULL,
    first_seconds DOUBLE PRECISION NOT NULL,
    longest_seconds DOUBLE PRECISION NOT NULL,
    expire_seconds DOUBLE PRECISION NOT NULL,
    jitter DOUBLE PRECISION NOT NULL,
    warn_seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (schedule_id),
    CONSTRAINT queue_schedule_once UNIQUE NULLS NOT DISTINCT (tenant_id, domain)
)""",
    """CREATE FUNCTION queue_lane_turns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO queue_lane AS lane (tenant_id, domain, turn_at)
    SELECT tenant_id, domain, greatest(min(next_attempt_at), now()) FROM changed
    WHERE status = 'waiting' AND lease_until IS NULL
    GROUP BY tenant_id, domain ORDER BY tenant_id, domain
    ON CONFLICT (tenant_id, domain) DO UPDATE SET turn_at = excluded.turn_at WHERE lane.turn_at > excluded.turn_at;
    RETURN NULL;
END $$""",
    """CREATE TRIGGER queue_item_inserted AFTER INSERT ON queue_item REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION queue_lane_turns()""",
    """CREATE TRIGGER queue_item_updated AFTER UPDATE ON queue_item REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION queue_lane_turns()""",
)


def upgrade() -> None:
    """Add the tables, and lanes for what waits already."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect("queue_lane", "queue_suspension", "queue_schedule")
    grant_sequences()
    op.execute("SELECT set_config('posthouse.scope', 'operator', true)")
    op.execute(
        "INSERT INTO queue_lane (tenant_id, domain, turn_at)"
        " SELECT tenant_id, domain, min(next_attempt_at) FROM queue_item WHERE status = 'waiting' GROUP BY 1, 2"
        " ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
