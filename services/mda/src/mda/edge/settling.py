"""QuarantineAdminService: what is kept from its recipients is looked at, released or deleted, through admin-api.

A message that is released is stored as any other, filed into the INBOX of its
recipients, and then kept no longer. If that breaks off in between, it is asked
for again, and what was done is found done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import grpc
from blobstore import BlobStore, BlobUnavailable, BodyReference
from directoryclient import Unavailable
from google.protobuf.timestamp_pb2 import Timestamp
from mailmodel import AccountRef
from mailmsg.facts import examine
from mailmsg.header import header_end
from mailstore import Delivery, Outcome, StoreUnavailable
from mailwire.quarantine.v1 import quarantine_pb2 as wire
from mailwire.quarantine.v1.quarantine_pb2_grpc import QuarantineAdminServiceServicer
from servicekit import logs
from spool import OutcomeUnknown, SpooledLetter, SpoolUnavailable
from spool.record import head_of

from mda import metrics
from mda.adapters.quarantine import BlobQuarantine
from mda.core.held import Held, NoSuchMessage
from mda.core.marks import RELEASED, marks
from mda.core.plan import INBOX, plan, refused_before
from mda.edge.distributing import Distributing
from mda.edge.sealing import Sealing
from mda.ports import Learner, Mailboxes, Receipts, ScannerBroke, ScannerUnavailable

LOG = logs.logger("mda.settling")
PAGE = 100
LARGEST_PAGE = 500
HEADER_OCTETS = 64 * 1024
SWEEP_SECONDS = 3600.0

Context = grpc.aio.ServicerContext[Any, Any]
S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
AWAY = (BlobUnavailable, StoreUnavailable, Unavailable, SpoolUnavailable, OutcomeUnknown)


def mapped(method: Callable[[S, Q, Context], Awaitable[A]]) -> Callable[[S, Q, Context], Awaitable[A]]:
    """A method whose errors become status codes."""

    async def call(self: S, request: Q, context: Context) -> A:
        try:
            return await method(self, request, context)
        except NoSuchMessage as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            raise
        except AWAY as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise

    return call


class Settling(QuarantineAdminServiceServicer):
    """Answers the operator, and deletes what was kept long enough."""

    def __init__(
        self,
        quarantine: BlobQuarantine,
        blobs: BlobStore,
        mailboxes: Mailboxes,
        receipts: Receipts,
        kept: timedelta,
        draining: asyncio.Event,
        learner: Learner | None = None,
        distributing: Distributing | None = None,
        *,
        sealing: Sealing | None = None,
    ) -> None:
        self._sealing = sealing
        self._distributing = distributing
        self._learner = learner
        self._quarantine = quarantine
        self._blobs = blobs
        self._mailboxes = mailboxes
        self._receipts = receipts
        self._kept = kept
        self._draining = draining

    @mapped
    async def ListHeld(self, request: wire.ListHeldRequest, context: Context) -> wire.ListHeldResponse:
        size = min(request.page_size, LARGEST_PAGE) if request.page_size > 0 else PAGE
        held, place = await self._quarantine.listing(request.tenant_id, request.page_token, size)
        return wire.ListHeldResponse(held=[_held(each) for each in held], next_page_token=place)

    @mapped
    async def GetHeld(self, request: wire.GetHeldRequest, context: Context) -> wire.GetHeldResponse:
        held, _, content = await self._quarantine.get(request.tenant_id, request.queue_id)
        end = header_end(content)
        header = content[: min(len(content) if end is None else end, HEADER_OCTETS)]
        return wire.GetHeldResponse(held=_held(held), header=header)

    @mapped
    async def ReleaseHeld(
        self, request: wire.ReleaseHeldRequest, context: Context
    ) -> wire.ReleaseHeldResponse:
        held, envelope, content = await self._quarantine.get(request.tenant_id, request.queue_id)
        head = head_of(envelope)
        key = await self._blobs.put_mail(
            envelope.tenant_id, f"released-{envelope.queue_id}", envelope.arrived_at, (head, content)
        )
        body = BodyReference(key, len(head), len(content), envelope.digest)
        letter = SpooledLetter(envelope, body, await asyncio.to_thread(examine, content))
        deliveries = plan(letter, marks(held.findings) + RELEASED)
        if self._distributing is not None:
            lists = await self._distributing.among([each.account for each in deliveries])
            deliveries = await self._distributing.settle(letter, deliveries, lists, is_released=True)
        if self._sealing is not None:
            sealed = await self._sealing.seal(deliveries)
            if sealed.unsealable:
                await context.abort(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    "a recipient's encryption key cannot be used any more",
                )
            deliveries = sealed.deliveries
        outcomes = await self._mailboxes.deliver(deliveries)
        if Outcome.OVER_QUOTA in outcomes:
            # Who has it has it; for the others it is kept, and can be released again.
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "a recipient's mailbox is full")
        await self._receipts.tell(letter, refused_before(deliveries, outcomes))
        await self._quarantine.delete(request.tenant_id, request.queue_id)
        self._settled("released", request.tenant_id, request.queue_id, request.actor)
        return wire.ReleaseHeldResponse()

    @mapped
    async def Learn(self, request: wire.LearnRequest, context: Context) -> wire.LearnResponse:
        if self._learner is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no scanner learns here")
        assert self._learner is not None
        try:
            learned = await self._learner.learn(request.content, is_spam=request.is_spam)
        except (ScannerUnavailable, ScannerBroke) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise
        metrics.LEARNED.labels("spam" if request.is_spam else "ham").inc(learned)
        return wire.LearnResponse(learned=learned)

    @mapped
    async def DeleteHeld(self, request: wire.DeleteHeldRequest, context: Context) -> wire.DeleteHeldResponse:
        _, envelope, _ = await self._quarantine.get(request.tenant_id, request.queue_id)
        # It counts as delivered: a respool is not to bring it again.
        await self._mailboxes.deliver(
            [
                Delivery(
                    AccountRef(envelope.tenant_id, each.account_id),
                    envelope.queue_id,
                    each.address,
                    INBOX,
                    None,
                )
                for each in envelope.recipients
                if each.account_id is not None
            ]
        )
        await self._quarantine.delete(request.tenant_id, request.queue_id)
        self._settled("deleted", request.tenant_id, request.queue_id, request.actor)
        return wire.DeleteHeldResponse()

    @staticmethod
    def _settled(outcome: str, tenant_id: str, queue_id: str, actor: str) -> None:
        metrics.SETTLED.labels(outcome).inc()
        LOG.info("quarantine_settled", outcome=outcome, tenant_id=tenant_id, queue_id=queue_id, actor=actor)

    async def sweep(self) -> None:
        """Now and then until the drain. Several processes may do it: what is gone is gone."""
        while not self._draining.is_set():
            try:
                expired = await self._quarantine.expire(self._kept)
            except BlobUnavailable as error:
                LOG.warning("quarantine_sweep_postponed", error=str(error))
            else:
                metrics.SETTLED.labels("expired").inc(expired)
                if expired:
                    LOG.info("quarantine_swept", messages=expired)
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._draining.wait()
            except TimeoutError:
                continue


def _held(held: Held) -> wire.Held:
    return wire.Held(
        tenant_id=held.tenant_id,
        queue_id=held.queue_id,
        arrived_at=_stamp(held.arrived_at),
        held_at=_stamp(held.held_at),
        reverse_path=held.reverse_path,
        recipients=held.recipients,
        size_octets=held.size_octets,
        findings=[
            wire.Finding(scanner=each.scanner, verdict=each.verdict.value, detail=each.detail)
            for each in held.findings
        ],
    )


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
