"""What goes in and out under /v1/queue, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.models import Wire

Status = Literal["waiting", "held", "sending"]
Action = Literal["hold", "release", "retry", "bounce", "delete", "reroute", "expire"]
Reason = Annotated[str, Field(max_length=500, examples=["abuse ticket 4711"])]


class ItemFilter(Wire):
    """Which items are meant: all that is set must be so."""

    tenant: Annotated[str, Field(description="its name or id", max_length=100)] = ""
    queue_ids: Annotated[list[str], Field(default_factory=list, max_length=1000)]
    sender: Annotated[str, Field(description="an address, @domain, or <> for none", max_length=320)] = ""
    recipient: Annotated[str, Field(max_length=320)] = ""
    domain: Annotated[str, Field(description="the recipients'", max_length=255)] = ""
    status: Status | None = None
    reply: Annotated[str, Field(description="part of the last reply, in any case", max_length=500)] = ""
    entered_before: AwareDatetime | None = None
    entered_after: AwareDatetime | None = None


class Recipient(BaseModel):
    address: str
    last_reply: str


class Item(BaseModel):
    """The recipients of one message at one domain, as they wait."""

    queue_id: str
    tenant: Annotated[str, Field(description="its name; empty where the directory does not know it now")]
    tenant_id: str
    domain: str
    status: Status
    sender: Annotated[str, Field(description="the reverse-path; empty for notices")]
    recipients: list[Recipient]
    attempts: int
    entered_at: datetime
    tried_at: datetime | None
    next_attempt_at: datetime
    expires_at: datetime
    last_reply: str
    last_host: str
    hold_reason: str
    held_until: Annotated[
        datetime | None, Field(description="a hold that ends by itself; null: when it is released")
    ]
    release_at: Annotated[
        datetime | None, Field(description="the sender wants no delivery before; a release sends it at once")
    ]
    priority: Annotated[int, Field(description="from -9 to 9 (RFC 6710)")]
    route: Annotated[str, Field(description="where it is sent instead of to the domain's MX")]


SummaryKey = Literal["tenant", "domain", "status", "sender", "reply"]


class Group(BaseModel):
    """Items that have something in common."""

    key: str
    items: int
    held: Annotated[int, Field(description="of these, by the operator")]
    oldest_at: datetime
    next_attempt_at: datetime | None


class Settled(BaseModel):
    """A recipient that waits no more."""

    address: str
    outcome: Annotated[str, Field(examples=["delivered", "failed", "deleted"])]
    status: str
    reply: str
    host: str
    settled_at: datetime
    notice_due: Annotated[bool, Field(description="the notice to the sender is still to be made")]
    kind: Annotated[
        str,
        Field(description="what a failure was about", examples=["bad-mailbox", "mailbox-full", "spam-block"]),
    ] = ""


class Attempt(BaseModel):
    """One session with one address of another system, or a try that got to none."""

    domain: str
    started_at: datetime
    duration_ms: int
    host: str
    address: str
    tls: Annotated[str, Field(examples=["TLSv1.3", ""])]
    reply: str
    delivered: int
    deferred: int
    failed: int


class Message(BaseModel):
    """Everything known of one message on its way out."""

    queue_id: str
    items: list[Item]
    settled: list[Settled]
    attempts: list[Attempt]


class NewChange(Wire):
    """What to do with the items that the filter finds."""

    action: Action
    filter: Annotated[ItemFilter, Field(default_factory=ItemFilter)]
    everything: Annotated[
        bool, Field(description="a filter that sets nothing means everything, and only with this")
    ] = False
    reason: Annotated[str, Field(description="hold, bounce, delete: why", max_length=500)] = ""
    silent: Annotated[bool, Field(description="bounce: the sender is not told")] = False
    route: Annotated[
        str,
        Field(
            description="reroute: host, host:port, address:port or [v6]:port; empty: the domain's MX again",
            max_length=300,
        ),
    ] = ""
    expires_at: Annotated[
        AwareDatetime | None, Field(description="expire: the new moment; hold: when it ends by itself")
    ] = None


class Job(BaseModel):
    """A change and how far it is."""

    job_id: str
    action: str
    status: Annotated[str, Field(examples=["running", "done", "cancelled", "failed"])]
    changed: int
    skipped: Annotated[int, Field(description="matched, but being sent now or in no need of the change")]
    created_at: datetime
    finished_at: datetime | None
    error: str


class NewSuspension(Wire):
    """A tenant, a domain, or a tenant's mail to a domain."""

    tenant: Annotated[str, Field(description="its name or id; empty: all", max_length=100)] = ""
    domain: Annotated[str, Field(description="the recipients'; empty: all", max_length=255)] = ""
    everything: Annotated[bool, Field(description="all mail: neither tenant nor domain")] = False
    reason: Reason
    expires_at: Annotated[AwareDatetime | None, Field(description="it lifts itself then")] = None


class Suspension(BaseModel):
    """No attempts. What waits goes on waiting, and is given up when its time is over."""

    tenant: str
    tenant_id: str
    domain: str
    reason: str
    actor: str
    created_at: datetime
    expires_at: datetime | None


class Pace(Wire):
    """How often is tried; waits double from the first to the longest. All in seconds."""

    first_seconds: Annotated[float, Field(description="the wait after the first attempt", gt=0)]
    longest_seconds: Annotated[float, Field(gt=0)]
    expire_seconds: Annotated[float, Field(description="from arrival; then mail is given up", gt=0)]
    jitter: Annotated[float, Field(description="a share of each wait, up and down", ge=0, le=0.5)] = 0.2
    warn_seconds: Annotated[
        float, Field(description="from arrival; then the sender is told of the delay; 0: never", ge=0)
    ] = 14_400.0


class NewSchedule(Pace):
    """For a tenant, a domain, a tenant's mail to a domain, or with neither for everything."""

    tenant: Annotated[str, Field(max_length=100)] = ""
    domain: Annotated[str, Field(max_length=255)] = ""


class Schedule(Pace):
    """The nearest to tenant and domain counts."""

    tenant: str
    tenant_id: str
    domain: str


class AuditEntry(BaseModel):
    """Who asked for what."""

    audit_id: int
    at: datetime
    actor: str
    client_address: str
    tenant: str
    tenant_id: str
    action: str
    reason: str
    filter: dict[str, object]
    change: dict[str, object]
    job_id: str
    changed: int
    skipped: int
