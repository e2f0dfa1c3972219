"""The two sources of work: first attempts from the bus, later ones from the table.

A first attempt that cannot be finished now becomes an item in the table; then the
bus message is acknowledged. So the bus holds what has not been tried, the table
what waits.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from blobstore import BlobMissing, BlobUnavailable
from eventbus import BusMessage
from mailproto.smtp.reply import Reply
from mailwire.spool.v1 import spool_pb2 as wire
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import Envelope, Malformed, SpooledLetter, decode
from spool.codec import encode

from mta_queue import metrics
from mta_queue.adapters.queue import reply_text
from mta_queue.core.attempt import Delivery, attempt_of
from mta_queue.core.outcome import Outcome, Verdict, all_alike, expired, is_to_be_told
from mta_queue.core.schedule import Schedule
from mta_queue.core.split import by_domain
from mta_queue.edge.notices import Notices
from mta_queue.ports import Due, Item, Outbound, Postponed, Quarantine, Queue

LOG = logs.logger("mta_queue.working")
KEEP_SECONDS = 20.0
UNWELL_SECONDS = 5.0


class Source(Protocol):
    """Where first attempts come from."""

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusMessage]:
        """What has come."""


class Work:
    """Takes work as long as there is room for it."""

    def __init__(
        self,
        source: Source,
        queue: Queue,
        outbound: Outbound,
        notices: Notices,
        quarantine: Quarantine,
        schedule: Schedule,
        draining: asyncio.Event,
        *,
        attempts_at_once: int,
        lease_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._source = source
        self._queue = queue
        self._outbound = outbound
        self._notices = notices
        self._quarantine = quarantine
        self._schedule = schedule
        self._draining = draining
        self._room = asyncio.Semaphore(attempts_at_once)
        self._attempts_at_once = attempts_at_once
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._chance = random.Random()

    # -- first attempts

    async def run_first(self) -> None:
        """From the bus, until the drain; then what is under way is finished."""
        async with asyncio.TaskGroup() as tasks:
            while not self._draining.is_set():
                for message in await self._source.fetch(self._attempts_at_once, 0.5):
                    await self._room.acquire()
                    tasks.create_task(self._first(message))

    async def _first(self, message: BusMessage) -> None:
        metrics.UNDER_WAY.inc()
        try:
            async with self._kept(message):
                await self._first_attempt(message)
            await message.acknowledge()
        except Malformed as error:
            await self._poison(message, str(error))
        except (BlobUnavailable, DatabaseUnavailable) as error:
            LOG.warning("attempt_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
        except Exception:
            LOG.exception("attempt_failed", deliveries=message.deliveries)
            await message.retry_later(UNWELL_SECONDS * min(message.deliveries, 60))
        finally:
            metrics.UNDER_WAY.dec()
            self._room.release()

    async def _poison(self, message: BusMessage, reason: str) -> None:
        try:
            await self._quarantine.put_aside(message.payload, reason)
        except BlobUnavailable as error:
            LOG.warning("poison_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
            return
        metrics.POISONED.inc()
        LOG.error("message_poisoned", reason=reason)
        await message.acknowledge()

    @contextlib.asynccontextmanager
    async def _kept(self, message: BusMessage) -> AsyncIterator[None]:
        """The bus is told that we still work on it, as long as we do."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(KEEP_SECONDS)
                await message.keep_working()

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()

    async def _first_attempt(self, message: BusMessage) -> None:
        letter = decode(message.payload)
        envelope = letter.envelope
        addresses = [recipient.address for recipient in envelope.recipients]
        if message.deliveries > 1:
            known = await self._queue.known(envelope.tenant_id, envelope.queue_id)
            addresses = [address for address in addresses if address not in known]
        now = datetime.now(UTC)
        expires_at = self._schedule.expires_at(envelope.arrived_at)
        settled: list[Outcome] = []
        deferred: list[Outcome] = []
        postponed: list[Postponed] = []
        groups = by_domain(addresses)
        results = await asyncio.gather(
            *(self._attempt(letter, domain, recipients) for domain, recipients in groups.items())
        )
        for domain, delivery in zip(groups, results, strict=True):
            waiting = [outcome for outcome in delivery.outcomes if outcome.verdict is Verdict.DEFERRED]
            settled += [outcome for outcome in delivery.outcomes if outcome.verdict is not Verdict.DEFERRED]
            if not waiting:
                continue
            next_attempt_at = self._schedule.next_attempt(1, now, expires_at, self._chance)
            if next_attempt_at is None:
                settled += [expired(outcome) for outcome in waiting]
                continue
            deferred += waiting
            recipients = tuple(outcome.address for outcome in waiting)
            postponed.append(
                Postponed(
                    domain=domain,
                    payload=_payload(letter, recipients),
                    recipients=recipients,
                    replies=tuple(reply_text(outcome.reply) for outcome in waiting),
                    next_attempt_at=next_attempt_at,
                    expires_at=expires_at,
                    last_host=waiting[-1].host,
                )
            )
        attempts = [attempt for delivery in results for attempt in delivery.attempts]
        await self._queue.record_first(letter, message.payload, settled, postponed, attempts)
        self._count(envelope.queue_id, settled, deferred)
        await self._notify(envelope, message.payload, settled)

    async def _attempt(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...], route: str = ""
    ) -> Delivery:
        started_at = datetime.now(UTC)
        try:
            return await self._outbound.deliver(letter, domain, recipients, route)
        except BlobMissing:
            # Accepted and gone: nothing can be sent, and the sender must know.
            LOG.error("body_missing", queue_id=letter.envelope.queue_id, object_key=letter.body.object_key)
            reply = Reply.of(554, "5.3.0", "The message was lost by our storage")
        except (BlobUnavailable, DatabaseUnavailable):
            raise
        except Exception:
            # A bug must not make this message go round for ever: it waits like any other, and ends like any other.
            LOG.exception("attempt_failed", queue_id=letter.envelope.queue_id, domain=domain)
            reply = Reply.of(451, "4.3.0", "Something went wrong here")
        fate = all_alike(recipients, reply)
        return Delivery(fate, [attempt_of(domain, started_at, 0.0, "", "", fate)])

    # -- later attempts

    async def run_due(self) -> None:
        """From the table, until the drain; then what is under way is finished."""
        async with asyncio.TaskGroup() as tasks:
            while not self._draining.is_set():
                await self._room.acquire()
                self._room.release()
                try:
                    items = await self._queue.lease_due(
                        max(1, self._attempts_at_once // 2), self._lease_seconds, datetime.now(UTC)
                    )
                    metrics.WAITING.set(await self._queue.waiting())
                except DatabaseUnavailable as error:
                    LOG.warning("due_items_unknown", error=str(error))
                    items = []
                for item in items:
                    await self._room.acquire()
                    tasks.create_task(self._later(item))
                if not items:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_seconds):
                            await self._draining.wait()

    async def _later(self, item: Item) -> None:
        metrics.UNDER_WAY.inc()
        envelope = item.letter.envelope
        try:
            delivery = await self._attempt(item.letter, item.domain, item.recipients, item.route)
            outcomes = delivery.outcomes
            now = datetime.now(UTC)
            waiting = [outcome for outcome in outcomes if outcome.verdict is Verdict.DEFERRED]
            settled = [outcome for outcome in outcomes if outcome.verdict is not Verdict.DEFERRED]
            next_attempt_at = self._schedule.next_attempt(
                item.attempts + 1, now, item.expires_at, self._chance
            )
            if next_attempt_at is None:
                settled += [expired(outcome) for outcome in waiting]
                waiting = []
            if not await self._queue.record_retry(item, settled, waiting, next_attempt_at, delivery.attempts):
                LOG.warning("lease_lost", queue_id=envelope.queue_id, domain=item.domain)
                return
            self._count(envelope.queue_id, settled, waiting)
            await self._notify(envelope, item.payload, settled)
        except (BlobUnavailable, DatabaseUnavailable) as error:
            # The lease runs out and the item is taken again.
            LOG.warning("attempt_postponed", queue_id=envelope.queue_id, error=str(error))
        except Exception:
            LOG.exception("attempt_failed", queue_id=envelope.queue_id, domain=item.domain)
        finally:
            metrics.UNDER_WAY.dec()
            self._room.release()

    # -- both

    async def _notify(self, envelope: Envelope, payload: bytes, settled: list[Outcome]) -> None:
        requests = {recipient.address: recipient.request for recipient in envelope.recipients}
        told = tuple(each for each in settled if is_to_be_told(each, requests[each.address]))
        if told:
            await self._notices.make(Due(envelope.tenant_id, envelope.queue_id, payload, told))

    def _count(self, queue_id: str, settled: list[Outcome], waiting: list[Outcome]) -> None:
        for outcome in [*settled, *waiting]:
            metrics.RECIPIENTS.labels(outcome.verdict.value).inc()
            LOG.info(
                f"recipient_{outcome.verdict.value}",
                queue_id=queue_id,
                recipient=outcome.address,
                host=outcome.host,
                reply=reply_text(outcome.reply),
            )


def _payload(letter: SpooledLetter, recipients: tuple[str, ...]) -> bytes:
    """The bus payload again, for these recipients only and without facts: what waits is sent, not read."""
    asked = set(recipients)
    chosen = [each for each in letter.envelope.recipients if each.address in asked]
    return encode(letter.envelope, chosen, letter.body, wire.Facts())
