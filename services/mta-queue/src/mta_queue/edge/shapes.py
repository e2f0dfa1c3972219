"""Our values in and out of the generated types."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.queue.v1 import queue_pb2 as wire

from mta_queue.core import change as changes
from mta_queue.core.bounces import classify_text
from mta_queue.core.change import Change, Notice
from mta_queue.core.item_filter import FilterInvalid, ItemFilter, Status, SummaryKey
from mta_queue.core.outcome import EXPIRED
from mta_queue.core.records import (
    AttemptRecord,
    AuditRecord,
    Caller,
    GroupRecord,
    ItemRecord,
    JobRecord,
    JobStatus,
    SettledRecord,
)
from mta_queue.core.route import parse_route
from mta_queue.core.rules import Scope, Suspension
from mta_queue.core.schedule import Schedule

STATUSES = {
    wire.ITEM_STATUS_WAITING: Status.WAITING,
    wire.ITEM_STATUS_HELD: Status.HELD,
    wire.ITEM_STATUS_SENDING: Status.SENDING,
}
ITEM_STATUS = {status: number for number, status in STATUSES.items()}
SUMMARY_KEYS = {
    wire.SUMMARY_KEY_TENANT: SummaryKey.TENANT,
    wire.SUMMARY_KEY_DOMAIN: SummaryKey.DOMAIN,
    wire.SUMMARY_KEY_STATUS: SummaryKey.STATUS,
    wire.SUMMARY_KEY_SENDER: SummaryKey.SENDER,
    wire.SUMMARY_KEY_REPLY: SummaryKey.REPLY,
}
JOB_STATUS = {
    JobStatus.RUNNING: wire.JOB_STATUS_RUNNING,
    JobStatus.DONE: wire.JOB_STATUS_DONE,
    JobStatus.CANCELLED: wire.JOB_STATUS_CANCELLED,
    JobStatus.FAILED: wire.JOB_STATUS_FAILED,
}
TEXT_MOST = 1000
QUEUE_IDS_MOST = 1000


def caller(message: wire.Caller) -> Caller:
    return Caller(
        message.actor[:200] or "unknown", message.client_address[:100], text("tenant_id", message.tenant_id)
    )


def item_filter(message: wire.ItemFilter) -> ItemFilter:
    """Raises FilterInvalid."""
    if len(message.queue_ids) > QUEUE_IDS_MOST:
        raise FilterInvalid(f"at most {QUEUE_IDS_MOST} queue ids at once")
    return ItemFilter(
        tenant_id=text("tenant_id", message.tenant_id),
        queue_ids=tuple(text("queue_ids", each) for each in message.queue_ids),
        sender=text("sender", message.sender),
        recipient=text("recipient", message.recipient),
        domain=text("domain", message.domain),
        status=STATUSES.get(message.status),
        reply=text("reply", message.reply),
        entered_before=instant(message.entered_before) if message.HasField("entered_before") else None,
        entered_after=instant(message.entered_after) if message.HasField("entered_after") else None,
    )


def change(message: wire.Change) -> Change:
    """Raises FilterInvalid, RouteInvalid."""
    match message.WhichOneof("change"):
        case "hold":
            until = instant(message.hold.until) if message.hold.HasField("until") else None
            return changes.Hold(text("reason", message.hold.reason), until)
        case "release":
            return changes.Release()
        case "retry":
            return changes.Retry()
        case "bounce":
            notice = Notice.WITHHELD if message.bounce.silent else Notice.SENT
            return changes.Bounce(text("reason", message.bounce.reason), notice)
        case "delete":
            return changes.Delete(text("reason", message.delete.reason))
        case "reroute":
            route = text("route", message.reroute.route)
            if route:
                parse_route(route)
            return changes.Reroute(route)
        case "expire" if message.expire.HasField("expires_at"):
            return changes.Expire(instant(message.expire.expires_at))
        case _:
            raise FilterInvalid("a change must say which one it is")


def instant(stamp: Timestamp) -> datetime:
    """Raises FilterInvalid."""
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise FilterInvalid("a moment that no calendar has") from error


def stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    made = Timestamp()
    made.FromDatetime(at)
    return made


def item(record: ItemRecord) -> wire.Item:
    return wire.Item(
        tenant_id=record.tenant_id,
        queue_id=record.queue_id,
        domain=record.domain,
        status=ITEM_STATUS[record.status],
        reverse_path=record.reverse_path,
        recipients=[
            wire.ItemRecipient(address=address, last_reply=reply)
            for address, reply in zip(record.recipients, record.replies, strict=True)
        ],
        attempts=record.attempts,
        entered_at=stamp(record.entered_at),
        tried_at=stamp(record.tried_at),
        next_attempt_at=stamp(record.next_attempt_at),
        expires_at=stamp(record.expires_at),
        last_reply=record.last_reply,
        last_host=record.last_host,
        hold_reason=record.hold_reason,
        held_until=stamp(record.held_until),
        release_at=stamp(record.release_at),
        priority=record.priority,
        route=record.route,
    )


def group(record: GroupRecord) -> wire.Group:
    return wire.Group(
        key=record.key,
        items=record.items,
        held=record.held,
        oldest_at=stamp(record.oldest_at),
        next_attempt_at=stamp(record.next_attempt_at),
    )


def settled(record: SettledRecord) -> wire.Settled:
    return wire.Settled(
        address=record.address,
        outcome=record.outcome,
        status=record.status,
        reply=record.reply,
        host=record.host,
        settled_at=stamp(record.settled_at),
        notice_due=record.notice_due,
        kind=_kind(record),
    )


def _kind(record: SettledRecord) -> str:
    """Of a failure. What expired has our status and the peer's last reply."""
    if record.outcome != "failed":
        return ""
    code, _, words = record.reply.partition(" ")
    status = "" if record.status == EXPIRED else record.status
    return classify_text(" ".join(filter(None, (code, status, words)))).value


def attempt(record: AttemptRecord) -> wire.Attempt:
    return wire.Attempt(
        domain=record.domain,
        started_at=stamp(record.started_at),
        duration_ms=record.duration_ms,
        host=record.host,
        address=record.address,
        tls=record.tls,
        reply=record.reply,
        delivered=record.delivered,
        deferred=record.deferred,
        failed=record.failed,
    )


def job(record: JobRecord) -> wire.Job:
    return wire.Job(
        job_id=record.job_id,
        action=record.action,
        status=JOB_STATUS[record.status],
        changed=record.changed,
        skipped=record.skipped,
        created_at=stamp(record.created_at),
        finished_at=stamp(record.finished_at),
        error=record.error,
    )


def suspension(record: Suspension) -> wire.Suspension:
    return wire.Suspension(
        tenant_id=record.tenant_id,
        domain=record.domain,
        reason=record.reason,
        actor=record.actor,
        created_at=stamp(record.created_at),
        expires_at=stamp(record.expires_at),
    )


def schedule(scope: Scope, found: Schedule) -> wire.Schedule:
    return wire.Schedule(
        tenant_id=scope[0],
        domain=scope[1],
        first_seconds=found.first_seconds,
        longest_seconds=found.longest_seconds,
        expire_seconds=found.expire_seconds,
        jitter=found.jitter,
        warn_seconds=found.warn_seconds,
    )


def schedule_from(message: wire.Schedule) -> Schedule:
    """Raises FilterInvalid."""
    try:
        return Schedule(
            message.first_seconds,
            message.longest_seconds,
            message.expire_seconds,
            message.jitter,
            message.warn_seconds,
        )
    except ValueError as error:
        raise FilterInvalid(str(error)) from error


def audit(record: AuditRecord) -> wire.AuditEntry:
    return wire.AuditEntry(
        audit_id=record.audit_id,
        tenant_id=record.tenant_id,
        at=stamp(record.at),
        actor=record.actor,
        client_address=record.client_address,
        action=record.action,
        reason=record.reason,
        filter=record.filter,
        change=record.change,
        job_id=record.job_id,
        changed=record.changed,
        skipped=record.skipped,
    )


def text(name: str, text: str) -> str:
    if len(text) > TEXT_MOST or "\0" in text:
        raise FilterInvalid(f"{name} has more than {TEXT_MOST} characters, or a NUL")
    return text
