"""The queue's tables.

`queue_item` is what waits: the recipients of one message at one domain, with the
envelope and body reference to try again with. A process that works on an item
holds a lease on it; `fencing` counts the leases, and a result is only written
under the lease that was taken, so a process that was thought dead changes
nothing any more.

`relay_outcome` is what is settled, for each recipient: it tells a repetition on
the bus (and a respool) that there is nothing left to do, and it keeps a notice
that is due until it is in the spool.

`queue_lane` is one tenant's mail for one domain, and when its turn comes: work is
taken lane by lane, so that nobody's backlog delays another's mail. A trigger of
the steps makes lanes for what is written to queue_item.

`queue_suspension` stops a destination or a tenant for a while; `queue_schedule`
says how often is tried, where that is not the setting.

`queue_attempt` is what was tried, one row for each session with another system.

`queue_job` is a change of many items under way: done in batches, each with its
progress in one transaction, by whichever process takes it. `queue_audit` says
who asked for what; rows are only ever added.

`queue_route` says where and how mail goes, where that is not the domain's MX as it
comes: `sts_policy` keeps other domains' MTA-STS policies, `tls_result` counts what
TLS with them came to, by day, until it has been reported.

A row without a tenant is the operator's. These tables are made by the steps in
`migrations/`; here they stand for the reader and for a test that compares.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = MetaData()

queue_item = Table(
    "queue_item",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("queue_id", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("item_id", BigInteger, Identity(), nullable=False, unique=True),
    # waiting, or held by the operator.
    Column("status", Text, nullable=False, server_default="waiting"),
    Column("reverse_path", Text, nullable=False),
    Column("recipients", ARRAY(Text), nullable=False),
    # A mailwire.spool.v1.SpooledMessage with these recipients and without facts.
    Column("payload", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("fencing", BigInteger, nullable=False, server_default="0"),
    Column("last_reply", Text, nullable=False, server_default=""),
    Column("last_host", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # The last reply to each recipient, in the order of recipients.
    Column("replies", ARRAY(Text), nullable=False, server_default="{}"),
    Column("hold_reason", Text, nullable=False, server_default=""),
    # Goes on by itself then; NULL: when somebody releases it.
    Column("held_until", DateTime(timezone=True)),
    Column("tried_at", DateTime(timezone=True)),
    # Where the operator sends it instead of to the domain's MX (core.route); "" for the MX.
    Column("route", Text, nullable=False, server_default=""),
    Index("queue_item_due", "next_attempt_at", postgresql_where=text("status = 'waiting'")),
    Index("queue_item_queue", "queue_id", "item_id"),
    Index("queue_item_tenant", "tenant_id", "item_id"),
    Index("queue_item_domain", "domain", "item_id"),
    Index("queue_item_sender", "reverse_path", "item_id"),
    Index("queue_item_recipient", text("(recipients[1])"), "item_id"),
    Index("queue_item_several", "domain", "item_id", postgresql_where=text("recipients[2] IS NOT NULL")),
    Index("queue_item_held", "item_id", postgresql_where=text("status = 'held'")),
    Index("queue_item_age", "created_at"),
    # When the sender is to be told that it takes longer; NULL: it has been, or is not to be.
    Column("warn_at", DateTime(timezone=True)),
    Index(
        "queue_item_warning", "warn_at", postgresql_where=text("warn_at IS NOT NULL AND status = 'waiting'")
    ),
    Index(
        "queue_item_lane",
        "tenant_id",
        "domain",
        "next_attempt_at",
        postgresql_where=text("status = 'waiting'"),
    ),
    # Not before this moment (FUTURERELEASE); NULL where there is none, or the operator has released it.
    Column("release_at", DateTime(timezone=True)),
    # MT-PRIORITY, and its sign: who is urgent has its turn before others of the same lane.
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    Column("urgency", SmallInteger, nullable=False, server_default="0"),
    Index(
        "queue_item_turn",
        "tenant_id",
        "domain",
        "urgency",
        "next_attempt_at",
        postgresql_where=text("status = 'waiting'"),
    ),
    Index("queue_item_expiry", "expires_at", postgresql_where=text("status = 'waiting'")),
    Index(
        "queue_item_hold",
        "held_until",
        postgresql_where=text("status = 'held' AND held_until IS NOT NULL"),
    ),
    Index("queue_item_leased", "domain", postgresql_where=text("lease_until IS NOT NULL")),
)

queue_lane = Table(
    "queue_lane",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("domain", Text, primary_key=True),
    # When its turn comes: when its next item is due, or now again, at the tail, where it has more that are.
    Column("turn_at", DateTime(timezone=True), nullable=False),
    Index("queue_lane_turn", "tenant_id", "turn_at"),
    Index("queue_lane_domain", "domain"),
)

queue_suspension = Table(
    "queue_suspension",
    metadata,
    Column("suspension_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    # NULL: all tenants.
    Column("tenant_id", UUID(as_uuid=True)),
    # "": all domains.
    Column("domain", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True)),
    UniqueConstraint("tenant_id", "domain", name="queue_suspension_once", postgresql_nulls_not_distinct=True),
)

queue_schedule = Table(
    "queue_schedule",
    metadata,
    Column("schedule_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    # NULL: all tenants; "": all domains. The nearest to tenant and domain counts.
    Column("tenant_id", UUID(as_uuid=True)),
    Column("domain", Text, nullable=False),
    # core.schedule.Schedule
    Column("first_seconds", Double, nullable=False),
    Column("longest_seconds", Double, nullable=False),
    Column("expire_seconds", Double, nullable=False),
    Column("jitter", Double, nullable=False),
    Column("warn_seconds", Double, nullable=False),
    UniqueConstraint("tenant_id", "domain", name="queue_schedule_once", postgresql_nulls_not_distinct=True),
)

queue_attempt = Table(
    "queue_attempt",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("queue_id", Text, primary_key=True),
    Column("attempt_id", BigInteger, Identity(), primary_key=True),
    Column("domain", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    # Both "" where none was reached.
    Column("host", Text, nullable=False),
    Column("address", Text, nullable=False),
    # TLSv1.3 and the like; "" in clear.
    Column("tls", Text, nullable=False),
    Column("reply", Text, nullable=False),
    # Recipients by what became of them.
    Column("delivered", Integer, nullable=False),
    Column("deferred", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Index("queue_attempt_queue", "queue_id", postgresql_using="brin"),
    Index("queue_attempt_age", "started_at", postgresql_using="brin"),
)

queue_job = Table(
    "queue_job",
    metadata,
    Column("job_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("tenant_id", UUID(as_uuid=True)),
    # running, done, cancelled or failed.
    Column("status", Text, nullable=False),
    # core.item_filter and core.change as JSON.
    Column("filter", JSONB, nullable=False),
    Column("change", JSONB, nullable=False),
    # The newest item there was, and the one that was seen last.
    Column("ceiling", BigInteger, nullable=False),
    Column("done_to", BigInteger, nullable=False, server_default="0"),
    # Items that were changed, and that matched but are being sent or needed no change.
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("skipped", BigInteger, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", DateTime(timezone=True)),
    Index("queue_job_running", "created_at", postgresql_where=text("status = 'running'")),
)

queue_audit = Table(
    "queue_audit",
    metadata,
    Column("audit_id", BigInteger, Identity(), primary_key=True),
    Column("tenant_id", UUID(as_uuid=True)),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("actor", Text, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("filter", JSONB, nullable=False),
    Column("change", JSONB, nullable=False),
    Column("job_id", UUID(as_uuid=True)),
    Index("queue_audit_tenant", "tenant_id", "audit_id"),
)

relay_outcome = Table(
    "relay_outcome",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("queue_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    # delivered or failed.
    Column("outcome", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("settled_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # What a notice is made of, until it has been made: the payload of the item.
    Column("notice_due", LargeBinary),
    Index("relay_outcome_queue", "queue_id", postgresql_using="brin"),
    Index("relay_outcome_age", "settled_at", postgresql_using="brin"),
    Index("relay_outcome_notice", "settled_at", postgresql_where=text("notice_due IS NOT NULL")),
)

queue_route = Table(
    "queue_route",
    metadata,
    Column("route_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    # NULL: all tenants; "": all domains. The nearest that says something counts, for each of its subjects.
    Column("tenant_id", UUID(as_uuid=True)),
    Column("domain", Text, nullable=False),
    # A host instead of the MX (core.route), how to speak with it, and who we are there.
    Column("host", Text, nullable=False, server_default=""),
    Column("protocol", Text, nullable=False, server_default="smtp"),
    Column("username", Text, nullable=False, server_default=""),
    Column("password_sealed", LargeBinary, nullable=False, server_default=""),
    # core.tls.Minimum
    Column("minimum_tls", Text, nullable=False, server_default=""),
    # The name of a pool of sources.
    Column("egress", Text, nullable=False, server_default=""),
    UniqueConstraint("tenant_id", "domain", name="queue_route_once", postgresql_nulls_not_distinct=True),
)

# Of no tenant, as is tls_result: for transactions in the operator's scope only.
sts_policy = Table(
    "sts_policy",
    metadata,
    Column("domain", Text, primary_key=True),
    # "": no policy was ever had.
    Column("policy_id", Text, nullable=False, server_default=""),
    Column("mode", Text, nullable=False, server_default=""),
    Column("hosts", ARRAY(Text), nullable=False, server_default="{}"),
    Column("max_age_seconds", Integer, nullable=False, server_default="0"),
    Column("expires_at", DateTime(timezone=True)),
    # When it was last asked for, and what came of it (core.tls.Fault, "" where it came).
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
    Column("fault", Text, nullable=False, server_default=""),
    Column("fault_text", Text, nullable=False, server_default=""),
    Index("sts_policy_used", "used_at"),
)

tls_result = Table(
    "tls_result",
    metadata,
    # UTC.
    Column("day", Date, primary_key=True),
    Column("domain", Text, primary_key=True),
    # Of the columns that follow, but for sessions.
    Column("digest", LargeBinary, primary_key=True),
    # core.tls.Published
    Column("policy_kind", Text, nullable=False),
    Column("policy_text", ARRAY(Text), nullable=False),
    Column("policy_hosts", ARRAY(Text), nullable=False),
    # core.tls.Fault; "" for what went well.
    Column("fault", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("local_address", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sessions", BigInteger, nullable=False),
)

queue_shape = Table(
    "queue_shape",
    metadata,
    Column("shape_id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("tenant_id", UUID(as_uuid=True)),
    # core.shaping: what the rule is about, and what it says.
    Column("matches", Text, nullable=False),
    Column("shape", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "matches", name="queue_shape_once", postgresql_nulls_not_distinct=True),
)

# What is counted of a shaped site, over all processes. `scope` is the rule's tenant, "" for the installation's.
queue_site_use = Table(
    "queue_site_use",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("connections", Integer, nullable=False),
    # What a process that died had is free again then.
    Column("until", DateTime(timezone=True), nullable=False),
)

queue_site_rate = Table(
    "queue_site_rate",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("period_seconds", Integer, primary_key=True),
    # When all that was sent would have been sent at an even pace.
    Column("free_at", DateTime(timezone=True), nullable=False),
    Index("queue_site_rate_age", "free_at"),
)

suppression = Table(
    "suppression",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    # In lower case.
    Column("address", Text, primary_key=True),
    # core.suppression.Cause
    Column("cause", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("queue_id", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True)),
    Index("suppression_expiry", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

webhook = Table(
    "webhook",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column(
        "webhook_id",
        UUID(as_uuid=True),
        primary_key=True,
        unique=True,
        server_default=text("gen_random_uuid()"),
    ),
    Column("url", Text, nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    # Of core.events.Type; {}: all.
    Column("events", ARRAY(Text), nullable=False, server_default="{}"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Not before: after failures, and while a process tells it something.
    Column("next_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_error", Text, nullable=False, server_default=""),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    Column("webhook_id", UUID(as_uuid=True), primary_key=True),
    Column("delivery_id", BigInteger, Identity(), primary_key=True),
    # An event as JSON.
    Column("event", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Given up; it stays for somebody to look at, or to send again.
    Column("dead_at", DateTime(timezone=True)),
    Column("last_error", Text, nullable=False, server_default=""),
    Index("webhook_delivery_waiting", "webhook_id", "delivery_id", postgresql_where=text("dead_at IS NULL")),
    Index("webhook_delivery_dead", "dead_at", postgresql_where=text("dead_at IS NOT NULL")),
)

dmarc_result = Table(
    "dmarc_result",
    metadata,
    # UTC.
    Column("day", Date, primary_key=True),
    # Where the policy was found.
    Column("domain", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    # senderauth.reports.dmarc: Published and Row.
    Column("published", JSONB, nullable=False),
    Column("row", JSONB, nullable=False),
    Column("messages", BigInteger, nullable=False),
)

report_sent = Table(
    "report_sent",
    metadata,
    # tls or dmarc.
    Column("kind", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("domain", Text, primary_key=True),
    # By the process that makes it; after an hour another may.
    Column("claimed_at", DateTime(timezone=True), nullable=False),
    Column("done_at", DateTime(timezone=True)),
    Column("sent_to", ARRAY(Text), nullable=False, server_default="{}"),
    Column("problem", Text, nullable=False, server_default=""),
)

report_received = Table(
    "report_received",
    metadata,
    Column("tenant_id", UUID(as_uuid=True), primary_key=True),
    # tls or dmarc.
    Column("kind", Text, primary_key=True),
    # The policy domain that it is about.
    Column("domain", Text, primary_key=True),
    # Who reports; strangers' words, as are the figures.
    Column("organization", Text, primary_key=True),
    Column("report_id", Text, primary_key=True),
    Column("begin_at", DateTime(timezone=True), nullable=False),
    Column("end_at", DateTime(timezone=True), nullable=False),
    # Sessions of TLS, or messages.
    Column("passed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    # What failed and how often (tls), rows (dmarc).
    Column("figures", JSONB, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("report_received_begin", "kind", "begin_at"),
)

# Of no tenant: the operator's. A tenant's mail leaves from the pool that its route names.
queue_egress = Table(
    "queue_egress",
    metadata,
    Column("pool", Text, primary_key=True),
    # Ours, that connections come from; "": whichever the system takes.
    Column("address", Text, primary_key=True),
    # socks5://host:port or haproxy://address:port; "": none.
    Column("proxy", Text, primary_key=True),
    Column("username", Text, nullable=False, server_default=""),
    Column("password_sealed", LargeBinary, nullable=False, server_default=""),
    # What is said in EHLO; "": the setting.
    Column("hello", Text, nullable=False, server_default=""),
    Column("weight", Integer, nullable=False, server_default="1"),
    # Messages on the first day, twice as many on each that follows; 0: no limit.
    Column("warmup_first", Integer, nullable=False, server_default="0"),
    Column("warmup_began", Date),
)

# Of a source, whichever pools it is in: attempts at once, over all processes.
queue_egress_cap = Table(
    "queue_egress_cap",
    metadata,
    Column("address", Text, primary_key=True),
    Column("proxy", Text, primary_key=True),
    Column("attempts_most", Integer, nullable=False),
)

queue_egress_use = Table(
    "queue_egress_use",
    metadata,
    Column("address", Text, primary_key=True),
    Column("proxy", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("messages", Integer, nullable=False),
)
