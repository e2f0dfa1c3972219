"""First attempts, from the bus.

What cannot be finished now becomes an item in the table; then the bus message is
acknowledged. So the bus holds what has not been tried, the table what waits. What
may not be tried now (its destination or tenant has all its places, or is
suspended, or away) is put off into the table untried: there it has its turn (core.turns),
and it holds up nobody behind it on the bus.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from blobstore import BlobUnavailable
from eventbus import BusMessage
from mailwire.spool.v1 import spool_pb2 as wire
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import Malformed, SpooledLetter, decode
from spool.codec import encode, facts_to_wire

from mta_queue import metrics
from mta_queue.adapters.recording import reply_text
from mta_queue.core.attempt import Delivery
from mta_queue.core.limits import limits_of
from mta_queue.core.outcome import Outcome, Verdict, expired
from mta_queue.core.shaping import NotNow
from mta_queue.core.split import by_domain
from mta_queue.core.turns import Lane
from mta_queue.edge.attempts import Attempts
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.slots import Slots
from mta_queue.ports import Postponed, PutOff, Quarantine, Queue

LOG = logs.logger("mta_queue.firsts")
BURST = 256
UNWELL_SECONDS = 5.0
Groups = dict[str, tuple[str, ...]]


class Source(Protocol):
    """Where first attempts come from."""

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusMessage]:
        """What has come."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of the bus: recipients by domain that are tried now, and that are put off."""

    message: BusMessage
    letter: SpooledLetter
    tried: Groups
    put_off: Groups

    def lane(self, domain: str) -> Lane:
        """Where its recipients at a domain stand."""
        return Lane(self.letter.envelope.tenant_id, domain)


class Firsts:
    """Takes messages as long as there is room for them."""

    def __init__(
        self,
        source: Source,
        queue: Queue,
        attempts: Attempts,
        quarantine: Quarantine,
        slots: Slots,
        rules: CurrentRules,
        draining: asyncio.Event,
        *,
        keep_seconds: float,
    ) -> None:
        self._source = source
        self._queue = queue
        self._attempts = attempts
        self._quarantine = quarantine
        self._slots = slots
        self._rules = rules
        self._draining = draining
        self._keep_seconds = keep_seconds
        self._chance = random.Random()

    async def run(self) -> None:
        """Until the drain; then what is under way is finished."""
        is_burst = False
        async with asyncio.TaskGroup() as tasks:
            while not self._draining.is_set():
                if self._slots.room_for_firsts <= 0:
                    await self._slots.wait_freed(0.5, self._draining)
                    continue
                waiting: list[Arrived] = []
                # As many as have a place: the others are better off on the bus. But a burst that has none is put off
                # quickly, for what comes behind it.
                limit = BURST if is_burst else self._slots.room_for_firsts
                messages = await self._source.fetch(limit, 0.5)
                letters = [(message, letter) for message in messages if (letter := await self._read(message))]
                # Who is urgent has a place before others that came together with it.
                letters.sort(key=lambda each: -each[1].envelope.wishes.priority)
                for message, letter in letters:
                    arrived = await self._sort(message, letter)
                    if arrived is None:
                        continue
                    if arrived.tried or not arrived.put_off:
                        tasks.create_task(self._first(arrived))
                    else:
                        waiting.append(arrived)
                is_burst = bool(waiting) and len(waiting) == len(messages)
                if waiting:
                    await self._put_off(waiting)

    async def _read(self, message: BusMessage) -> SpooledLetter | None:
        """None: it was put aside."""
        try:
            return decode(message.payload)
        except Malformed as error:
            await self._poison(message, str(error))
            return None

    async def _sort(self, message: BusMessage, letter: SpooledLetter) -> Arrived | None:
        """Take places for what can be tried now. None: it comes again."""
        try:
            addresses = [recipient.address for recipient in letter.envelope.recipients]
            if message.deliveries > 1:
                known = await self._queue.known(letter.envelope.tenant_id, letter.envelope.queue_id)
                addresses = [address for address in addresses if address not in known]
        except DatabaseUnavailable as error:
            LOG.warning("attempt_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
            return None
        arrived = Arrived(message, letter, {}, {})
        now = datetime.now(UTC)
        for domain, recipients in by_domain(addresses).items():
            lane = arrived.lane(domain)
            stopped = self._rules.now.suspension_of(lane.tenant_id, domain, now) is not None
            is_away = self._attempts.away_until(domain, now) is not None
            is_early = letter.envelope.wishes.is_held(now)
            # Copies of their own are sent one by one, and what is done is written down in between (edge.laters).
            are_many = letter.envelope.own_copies is not None and len(recipients) > 1
            goes = not (is_early or stopped or is_away or are_many) and self._slots.enter_first(lane)
            (arrived.tried if goes else arrived.put_off)[domain] = recipients
        return arrived

    async def _put_off(self, waiting: Sequence[Arrived]) -> None:
        """Many at once, in one transaction."""
        try:
            await self._queue.put_off(
                [
                    PutOff(each.letter.envelope, postponed)
                    for each in waiting
                    for postponed in self._untried(each, {})
                ]
            )
        except DatabaseUnavailable as error:
            LOG.warning("attempt_postponed", error=str(error))
            for each in waiting:
                await each.message.retry_later(UNWELL_SECONDS)
            return
        metrics.PUT_OFF.inc(len(waiting))
        for each in waiting:
            await each.message.acknowledge()

    async def _first(self, arrived: Arrived) -> None:
        message = arrived.message
        try:
            async with self._kept(message):
                await self._first_attempt(arrived)
            await message.acknowledge()
        except (BlobUnavailable, DatabaseUnavailable) as error:
            LOG.warning("attempt_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
        except Exception:
            LOG.exception("attempt_failed", deliveries=message.deliveries)
            await message.retry_later(UNWELL_SECONDS * min(message.deliveries, 60))
        finally:
            for domain in arrived.tried:
                self._slots.leave_first(arrived.lane(domain))

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
                await asyncio.sleep(self._keep_seconds)
                await message.keep_working()

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()

    async def _first_attempt(self, arrived: Arrived) -> None:
        letter = arrived.letter
        envelope = letter.envelope
        settled: list[Outcome] = []
        deferred: list[Outcome] = []
        asked = await asyncio.gather(*(self._attempt(letter, each) for each in arrived.tried.items()))
        made = dict(zip(arrived.tried, asked, strict=True))
        refused = {domain: each.until for domain, each in made.items() if isinstance(each, NotNow)}
        results = {domain: each for domain, each in made.items() if not isinstance(each, NotNow)}
        postponed = self._untried(arrived, refused)
        now = datetime.now(UTC)
        for domain, delivery in results.items():
            waiting = [outcome for outcome in delivery.outcomes if outcome.verdict is Verdict.DEFERRED]
            settled += [outcome for outcome in delivery.outcomes if outcome.verdict is not Verdict.DEFERRED]
            if not waiting:
                continue
            schedule = self._rules.now.schedule_of(envelope.tenant_id, domain)
            limits = limits_of(schedule, envelope)
            next_attempt_at = schedule.next_attempt(1, now, limits.expires_at, self._chance)
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
                    attempts=1,
                    next_attempt_at=next_attempt_at,
                    expires_at=limits.expires_at,
                    warn_at=limits.warn_at,
                    last_host=waiting[-1].host,
                )
            )
        attempts = [attempt for delivery in results.values() for attempt in delivery.attempts]
        await self._queue.record_first(letter, arrived.message.payload, settled, postponed, attempts)
        await self._attempts.tell(envelope, arrived.message.payload, settled, deferred)
        for domain, delivery in results.items():
            await self._attempts.mind(domain, delivery)

    async def _attempt(self, letter: SpooledLetter, group: tuple[str, tuple[str, ...]]) -> Delivery | NotNow:
        try:
            return await self._attempts.make(letter, *group)
        except NotNow as refused:
            return refused

    def _untried(self, arrived: Arrived, refused: Mapping[str, datetime]) -> list[Postponed]:
        """What is put off: due at once, at the moment that its sender set, or when its site may take it (`refused`)."""
        now = datetime.now(UTC)
        envelope = arrived.letter.envelope
        made: list[Postponed] = []
        untried = arrived.put_off | {domain: arrived.tried[domain] for domain in refused}
        for domain, recipients in untried.items():
            limits = limits_of(self._rules.now.schedule_of(envelope.tenant_id, domain), envelope)
            released_at = envelope.wishes.release_at if envelope.wishes.is_held(now) else None
            made.append(
                Postponed(
                    domain=domain,
                    payload=_payload(arrived.letter, recipients),
                    recipients=recipients,
                    replies=("",) * len(recipients),
                    attempts=0,
                    # Into the lane of a destination that is away without waking it.
                    next_attempt_at=refused.get(domain)
                    or released_at
                    or self._attempts.away_until(domain, now)
                    or now,
                    expires_at=limits.expires_at,
                    warn_at=limits.warn_at,
                    last_host="",
                    release_at=released_at,
                )
            )
        return made


def _payload(letter: SpooledLetter, recipients: tuple[str, ...]) -> bytes:
    """The bus payload again, for these recipients only.

    What waits is sent, not read: without what was parsed, save where that says whether it may go in ASCII, or
    where it is for somebody here.
    """
    asked = set(recipients)
    chosen = [each for each in letter.envelope.recipients if each.address in asked]
    is_read = letter.envelope.smtputf8 or any(each.account_id is not None for each in chosen)
    facts = facts_to_wire(letter.facts) if is_read else wire.Facts()
    return encode(letter.envelope, chosen, letter.body, facts)
