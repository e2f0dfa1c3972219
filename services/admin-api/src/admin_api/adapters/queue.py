"""The mta-queue's orders over gRPC, in and out of the models."""

import asyncio
import json
import time
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import grpc
from fastapi import HTTPException, Request
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import directory_pb2 as directory_wire
from mailwire.queue.v1 import queue_pb2 as wire
from mailwire.queue.v1.queue_pb2_grpc import QueueAdminServiceStub

from admin_api import queue_models as models
from admin_api.adapters.confining import is_confined

SECONDS = 30.0
NAMES_KEPT_SECONDS = 60.0
NAMES_KEPT = 10_000
AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
)
STATUSES: dict[models.Status, wire.ItemStatus.ValueType] = {
    "waiting": wire.ITEM_STATUS_WAITING,
    "held": wire.ITEM_STATUS_HELD,
    "sending": wire.ITEM_STATUS_SENDING,
}
SUMMARY_KEYS: dict[models.SummaryKey, wire.SummaryKey.ValueType] = {
    "tenant": wire.SUMMARY_KEY_TENANT,
    "domain": wire.SUMMARY_KEY_DOMAIN,
    "status": wire.SUMMARY_KEY_STATUS,
    "sender": wire.SUMMARY_KEY_SENDER,
    "reply": wire.SUMMARY_KEY_REPLY,
}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
JOB_STATUSES = {
    wire.JOB_STATUS_RUNNING: "running",
    wire.JOB_STATUS_DONE: "done",
    wire.JOB_STATUS_CANCELLED: "cancelled",
    wire.JOB_STATUS_FAILED: "failed",
}
A = TypeVar("A")


def stub(channel: grpc.aio.Channel) -> QueueAdminServiceStub:
    """What the routes call."""
    return QueueAdminServiceStub(channel)


async def answer(call: Awaitable[A]) -> A:
    """The answer. Raises 503 in the queue's name where it is away."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() in AWAY:
            raise HTTPException(
                503, "The queue cannot be reached now; try again later.", headers={"Retry-After": "2"}
            ) from error
        raise


def caller(request: Request) -> wire.Caller:
    """Who asks: whoever has the operator's token."""
    return wire.Caller(actor="operator", client_address=request.client.host if request.client else "")


class TenantNames:
    """Names of tenants and their ids, both ways, remembered for a minute."""

    def __init__(self, directory: Any) -> None:
        self._directory = directory
        self._names: dict[str, tuple[float, str]] = {}

    async def id_of(self, tenant: str) -> str:
        """Of a name or an id; "" for "". Raises the directory's NOT_FOUND.

        An id that the directory does not know passes for the operator: a tenant that is gone may have left mail.
        """
        if not tenant:
            return ""
        try:
            return str((await self._get(tenant)).tenant_id)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND or is_confined():
                raise
            try:
                return str(UUID(tenant))
            except ValueError:
                raise error from None

    async def names_of(self, tenant_ids: Iterable[str]) -> dict[str, str]:
        """By id; "" where the directory does not know or does not answer: the queue is shown all the same."""
        wanted = sorted({tenant_id for tenant_id in tenant_ids if tenant_id})
        return {"": "", **dict(zip(wanted, await asyncio.gather(*map(self._name, wanted)), strict=True))}

    async def _name(self, tenant_id: str) -> str:
        now = time.monotonic()
        known = self._names.get(tenant_id)
        if known is not None and known[0] > now:
            return known[1]
        try:
            name = str((await self._get(tenant_id)).name)
        except grpc.aio.AioRpcError:
            return ""
        if len(self._names) >= NAMES_KEPT:
            self._names.clear()
        self._names[tenant_id] = (now + NAMES_KEPT_SECONDS, name)
        return name

    async def _get(self, tenant: str) -> directory_wire.Tenant:
        found = await self._directory.GetTenant(directory_wire.GetTenantRequest(tenant=tenant), timeout=5.0)
        return found.tenant  # type: ignore[no-any-return]


def item_filter(wanted: models.ItemFilter, tenant_id: str) -> wire.ItemFilter:
    """The tenant is its id here."""
    return wire.ItemFilter(
        tenant_id=tenant_id,
        queue_ids=wanted.queue_ids,
        sender=wanted.sender,
        recipient=wanted.recipient,
        domain=wanted.domain,
        status=STATUSES[wanted.status] if wanted.status else wire.ITEM_STATUS_UNSPECIFIED,
        reply=wanted.reply,
        entered_before=stamp(wanted.entered_before),
        entered_after=stamp(wanted.entered_after),
    )


def change(new: models.NewChange) -> wire.Change:
    """One change of what the request says."""
    match new.action:
        case "hold":
            return wire.Change(hold=wire.Hold(reason=new.reason, until=stamp(new.expires_at)))
        case "release":
            return wire.Change(release=wire.Release())
        case "retry":
            return wire.Change(retry=wire.Retry())
        case "bounce":
            return wire.Change(bounce=wire.Bounce(reason=new.reason, silent=new.silent))
        case "delete":
            return wire.Change(delete=wire.Delete(reason=new.reason))
        case "reroute":
            return wire.Change(reroute=wire.Reroute(route=new.route))
        case "expire":
            if new.expires_at is None:
                raise HTTPException(422, "expire needs expires_at, the moment when the items are given up.")
            return wire.Change(expire=wire.Expire(expires_at=stamp(new.expires_at)))


def stamp(at: datetime | None) -> Timestamp | None:
    """None stays None."""
    if at is None:
        return None
    made = Timestamp()
    made.FromDatetime(at)
    return made


def item(message: wire.Item, names: dict[str, str]) -> models.Item:
    return models.Item(
        queue_id=message.queue_id,
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        domain=message.domain,
        status=STATUS_NAMES[message.status],
        sender=message.reverse_path,
        recipients=[
            models.Recipient(address=each.address, last_reply=each.last_reply) for each in message.recipients
        ],
        attempts=message.attempts,
        entered_at=message.entered_at.ToDatetime(UTC),
        tried_at=message.tried_at.ToDatetime(UTC) if message.HasField("tried_at") else None,
        next_attempt_at=message.next_attempt_at.ToDatetime(UTC),
        expires_at=message.expires_at.ToDatetime(UTC),
        last_reply=message.last_reply,
        last_host=message.last_host,
        hold_reason=message.hold_reason,
        held_until=message.held_until.ToDatetime(UTC) if message.HasField("held_until") else None,
        release_at=message.release_at.ToDatetime(UTC) if message.HasField("release_at") else None,
        priority=message.priority,
        route=message.route,
    )


def group(message: wire.Group, names: dict[str, str]) -> models.Group:
    """Tenants by name, as far as it is known."""
    return models.Group(
        key=names.get(message.key) or message.key,
        items=message.items,
        held=message.held,
        oldest_at=message.oldest_at.ToDatetime(UTC),
        next_attempt_at=message.next_attempt_at.ToDatetime(UTC)
        if message.HasField("next_attempt_at")
        else None,
    )


def settled(message: wire.Settled) -> models.Settled:
    return models.Settled(
        address=message.address,
        outcome=message.outcome,
        status=message.status,
        reply=message.reply,
        host=message.host,
        settled_at=message.settled_at.ToDatetime(UTC),
        notice_due=message.notice_due,
        kind=message.kind,
    )


def attempt(message: wire.Attempt) -> models.Attempt:
    return models.Attempt(
        domain=message.domain,
        started_at=message.started_at.ToDatetime(UTC),
        duration_ms=message.duration_ms,
        host=message.host,
        address=message.address,
        tls=message.tls,
        reply=message.reply,
        delivered=message.delivered,
        deferred=message.deferred,
        failed=message.failed,
    )


def job(message: wire.Job) -> models.Job:
    return models.Job(
        job_id=message.job_id,
        action=message.action,
        status=JOB_STATUSES[message.status],
        changed=message.changed,
        skipped=message.skipped,
        created_at=message.created_at.ToDatetime(UTC),
        finished_at=message.finished_at.ToDatetime(UTC) if message.HasField("finished_at") else None,
        error=message.error,
    )


def suspension(message: wire.Suspension, names: dict[str, str]) -> models.Suspension:
    return models.Suspension(
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        domain=message.domain,
        reason=message.reason,
        actor=message.actor,
        created_at=message.created_at.ToDatetime(UTC),
        expires_at=message.expires_at.ToDatetime(UTC) if message.HasField("expires_at") else None,
    )


def schedule(message: wire.Schedule, names: dict[str, str]) -> models.Schedule:
    return models.Schedule(
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        domain=message.domain,
        first_seconds=message.first_seconds,
        longest_seconds=message.longest_seconds,
        expire_seconds=message.expire_seconds,
        jitter=message.jitter,
        warn_seconds=message.warn_seconds,
    )


def audit(message: wire.AuditEntry, names: dict[str, str]) -> models.AuditEntry:
    return models.AuditEntry(
        audit_id=message.audit_id,
        at=message.at.ToDatetime(UTC),
        actor=message.actor,
        client_address=message.client_address,
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        action=message.action,
        reason=message.reason,
        filter=json.loads(message.filter),
        change=json.loads(message.change),
        job_id=message.job_id,
        changed=message.changed,
        skipped=message.skipped,
    )
