"""What the operator is shown."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mta_queue.core.item_filter import Status


class Missing(Exception):
    """There is no such thing, or it is another tenant's: both look the same."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `tenant_id` "" is the operator; else this tenant's rows are all there is."""

    actor: str
    client_address: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """The recipients of one message at one domain, as they wait."""

    item_id: int
    tenant_id: str
    queue_id: str
    domain: str
    status: Status
    reverse_path: str
    recipients: tuple[str, ...]
    replies: tuple[str, ...]
    attempts: int
    entered_at: datetime
    tried_at: datetime | None
    next_attempt_at: datetime
    expires_at: datetime
    last_reply: str
    last_host: str
    hold_reason: str
    # When it goes on by itself; None: when it is released, or it is not held.
    held_until: datetime | None
    route: str
    # Not before; None where there is no such wish, or the operator has released it.
    release_at: datetime | None
    priority: int


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Items that have something in common. `next_attempt_at` is None where all are held."""

    key: str
    items: int
    held: int
    oldest_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettledRecord:
    """A recipient that is delivered, failed or deleted."""

    address: str
    outcome: str
    status: str
    reply: str
    host: str
    settled_at: datetime
    notice_due: bool


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt as it was kept."""

    domain: str
    started_at: datetime
    duration_ms: int
    host: str
    address: str
    tls: str
    reply: str
    delivered: int
    deferred: int
    failed: int


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """All that is known of one message."""

    items: list[ItemRecord]
    settled: list[SettledRecord]
    attempts: list[AttemptRecord]


class JobStatus(Enum):
    """How far a job is."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A change of items under way or over."""

    job_id: str
    action: str
    status: JobStatus
    changed: int
    skipped: int
    created_at: datetime
    finished_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who asked for what. `filter` and `change` are JSON; the counts are the job's, so far."""

    audit_id: int
    tenant_id: str
    at: datetime
    actor: str
    client_address: str
    action: str
    reason: str
    filter: str
    change: str
    job_id: str
    changed: int
    skipped: int
