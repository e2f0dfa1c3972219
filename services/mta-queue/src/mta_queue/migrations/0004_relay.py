"""How mail leaves: MTA-STS policies, what TLS came to, rules for destinations."""

from alembic import op
from pgkit.migrations import protect, protect_shared

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE sts_policy (
    domain TEXT NOT NULL,
    policy_id TEXT DEFAULT '' NOT NULL,
    mode TEXT DEFAULT '' NOT NULL,
    hosts TEXT[] DEFAULT '{}' NOT NULL,
    max_age_seconds INTEGER DEFAULT 0 NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    fault TEXT DEFAULT '' NOT NULL,
    fault_text TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (domain)
)""",
    "CREATE INDEX sts_policy_used ON sts_policy (used_at)",
    """CREATE TABLE tls_result (
    day DATE NOT NULL,
    domain TEXT NOT NULL,
    digest BYTEA NOT NULL,
    policy_kind TEXT NOT NULL,
    policy_text TEXT[] NOT NULL,
    policy_hosts TEXT[] NOT NULL,
    fault TEXT NOT NULL,
    host TEXT NOT NULL,
    address TEXT NOT NULL,
    local_address TEXT NOT NULL,
    detail TEXT NOT NULL,
    sessions BIGINT NOT NULL,
    PRIMARY KEY (day, domain, digest)
)""",
    """CREATE TABLE queue_route (
    route_id UUID DEFAULT gen_random_uuid() NOT NULL,
    tenant_id UUID,
    domain TEXT NOT NULL,
    host TEXT DEFAULT '' NOT NULL,
    protocol TEXT DEFAULT 'smtp' NOT NULL,
    username TEXT DEFAULT '' NOT NULL,
    password_sealed BYTEA DEFAULT '' NOT NULL,
    minimum_tls TEXT DEFAULT '' NOT NULL,
    egress TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (route_id),
    CONSTRAINT queue_route_once UNIQUE NULLS NOT DISTINCT (tenant_id, domain)
)""",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect_shared("sts_policy", "tls_result")
    protect("queue_route")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
