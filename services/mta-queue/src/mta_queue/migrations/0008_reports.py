"""Reports: what messages came to by DMARC, which reports were sent, which came."""

from alembic import op
from pgkit.migrations import protect, protect_shared

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE dmarc_result (
    day DATE NOT NULL,
    domain TEXT NOT NULL,
    digest BYTEA NOT NULL,
    published JSONB NOT NULL,
    "row" JSONB NOT NULL,
    messages BIGINT NOT NULL,
    PRIMARY KEY (day, domain, digest)
)""",
    """CREATE TABLE report_sent (
    kind TEXT NOT NULL,
    day DATE NOT NULL,
    domain TEXT NOT NULL,
    claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    sent_to TEXT[] DEFAULT '{}' NOT NULL,
    problem TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (kind, day, domain)
)""",
    """CREATE TABLE report_received (
    tenant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    domain TEXT NOT NULL,
    organization TEXT NOT NULL,
    report_id TEXT NOT NULL,
    begin_at TIMESTAMP WITH TIME ZONE NOT NULL,
    end_at TIMESTAMP WITH TIME ZONE NOT NULL,
    passed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    figures JSONB NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, kind, domain, organization, report_id)
)""",
    "CREATE INDEX report_received_begin ON report_received (kind, begin_at)",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect_shared("dmarc_result", "report_sent")
    protect("report_received")


def downgrade() -> None:
    """Version N-1 runs on this step as it is."""
    raise RuntimeError("not needed: the version before runs on this step")
