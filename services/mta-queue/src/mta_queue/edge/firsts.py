"""First attempts, from the bus.

What cannot be finished now becomes an item in the table; then the bus message is
acknowledged. So the bus holds what has not been tried, the table what waits. What
may not be tried now (its destination or tenant has all its places, or is
suspended, or away) is put off into the table untried: there it has its turn (core.turns),
and it holds up nobody behind it on the bus. Where a place is all that it lacks it waits for one
for a moment first, beside the others (edge.anteroom).
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from blobstore import BlobUnavailable, BodyReference
from mailwire.spool.v1 import spool_pb2 as wire
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import BusLetter, Malformed, SpooledLetter, decode
from spool.codec import encode, facts_to_wire

from mta_queue import metrics
from mta_queue.adapters.recording import reply_text
from mta_queue.core.attempt import Attempt
from mta_queue.core.limits import limits_of
from mta_queue.core.outcome import Outcome, Verdict, expired
from mta_queue.core.shaping import NotNow
from mta_queue.core.split import by_domain
from mta_queue.core.turns import Lane
from mta_queue.edge.anteroom import Anteroom
from mta_queue.edge.attempts import Attempts
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.keeping import Keeper
from mta_queue.edge.slots import Slots, Turn
from mta_queue.ports import Postponed, PutOff, Quarantine, Queue, TakenOver

LOG = logs.logger("mta_queue.firsts")
BURST = 256
UNWELL_SECONDS = 5.0
# Before the sweep of notices would tell of it (edge.notices).
TOLD_TOGETHER_SECONDS = 10.0
Groups = dict[str, tuple[str, ...]]


class Source(Protocol):
    """Where first attempts come from."""

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusLetter]:
        """What has come: more than `limit` only where several came as one."""


class Bodies(Protocol):
    """Who wants which: those that lie together are read together."""

    def want(self, body: BodyReference) -> None:
        """It will be needed soon."""

    def release(self, body: BodyReference) -> None:
        """It is not needed any more."""


class NoBodies:
    """Where nobody reads ahead."""

    def want(self, body: BodyReference) -> None:
        return

    def release(self, body: BodyReference) -> None:
        return


@dataclass(frozen=True, slots=True)
class Arrived:
    """A letter from the bus: recipients by domain that are tried now, and that are put off.

    `lacks` is the lane where a place is all that it lacks. `places` are the domains that have a place still, `written` those of which something was written down.
    """

    message: BusLetter
    letter: SpooledLetter
    tried: Groups
    put_off: Groups
    places: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    lacks: Lane | None = None

    def lane(self, domain: str) -> Lane:
        """Where its recipients at a domain stand."""
        return Lane(self.letter.envelope.tenant_id, domain)


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of the recipients at a domain."""

    settled: list[Outcome]
    waiting: list[Outcome]


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
        bodies: Bodies | None = None,
        anteroom: Anteroom["Arrived"] | None = None,
        ahead: int = 0,
    ) -> None:
        self._source = source
        self._queue = queue
        self._attempts = attempts
        self._quarantine = quarantine
        self._slots = slots
        self._rules = rules
        self._draining = draining
        self._ahead = ahead
        self._keeper = Keeper(keep_seconds)
        self._bodies = bodies or NoBodies()
        self._anteroom = anteroom if anteroom is not None else Anteroom[Arrived](0, 0, 0.0)
        self._chance = random.Random()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until the drain; then what is under way is finished."""
        keeping = asyncio.create_task(self._keeper.run())
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                try:
                    await self._run(tasks)
                finally:
                    self._tasks = None
                    # Another process has them at once.
                    for arrived in self._anteroom.empty():
                        self._bodies.release(arrived.letter.body)
                        await arrived.message.retry_later(0.0)
        finally:
            keeping.cancel()

    async def _run(self, tasks: asyncio.TaskGroup) -> None:
        is_burst = False
        while not self._draining.is_set():
            await self._put_off(self._anteroom.overdue(self._slots.room_for_laters))
            self._begin_waiting()
            if self._slots.room_for_firsts <= 0:
                await self._slots.wait_freed(0.5, self._draining)
                continue
            # As many as have a place, and some that have one next: the others are better off on the bus. But a burst
            # that has none is put off quickly, for what comes behind it.
            ahead = self._ahead - len(self._anteroom)
            limit = BURST if is_burst else max(self._slots.room_for_firsts, ahead)
            messages = await self._source.fetch(limit, 0.5)
            letters = [(message, letter) for message in messages if (letter := await self._read(message))]
            # Who is urgent has a place before others that came together with it.
            letters.sort(key=lambda each: -each[1].envelope.wishes.priority)
            placeless: list[Arrived] = []
            for message, letter in letters:
                arrived = await self._sort(message, letter)
                if arrived is None:
                    continue
                self._bodies.want(letter.body)
                if arrived.tried or not arrived.put_off:
                    tasks.create_task(self._first(arrived))
                elif arrived.lacks is None or not self._anteroom.enter(
                    arrived, arrived.lacks, letter.envelope.wishes.priority
                ):
                    placeless.append(arrived)
            is_burst = bool(placeless) and len(placeless) == len(messages)
            await self._put_off(placeless)

    def _begin_waiting(self) -> None:
        """Whoever waits in the anteroom and has a place now."""
        while len(self._anteroom) and self._tasks is not None and self._slots.room_for_firsts > 0:
            found = self._anteroom.leave(self._slots.enter_first, self._slots.has_share)
            if found is None:
                return
            arrived, lane = found
            now = datetime.now(UTC)
            if self._may_go(lane, now):
                arrived.tried[lane.domain] = arrived.put_off.pop(lane.domain)
                arrived.places.add(lane.domain)
            else:
                # Stopped meanwhile: as if it came only now.
                self._slots.leave_first(lane)
            self._tasks.create_task(self._first(arrived))

    def _may_go(self, lane: Lane, now: datetime) -> bool:
        """Whether nothing but the want of a place could keep the lane's mail back."""
        stopped = self._rules.now.suspension_of(lane.tenant_id, lane.domain, now) is not None
        return not stopped and self._attempts.away_until(lane, now) is None

    async def _read(self, message: BusLetter) -> SpooledLetter | None:
        """None: it was put aside."""
        try:
            return decode(message.payload)
        except Malformed as error:
            await self._poison(message, str(error))
            return None

    async def _sort(self, message: BusLetter, letter: SpooledLetter) -> Arrived | None:
        """Take places for what can be tried now. None: it comes again."""
        known: set[str] = set()
        try:
            addresses = [recipient.address for recipient in letter.envelope.recipients]
            if message.deliveries > 1:
                known = await self._queue.known(letter.envelope.tenant_id, letter.envelope.queue_id)
                addresses = [address for address in addresses if address not in known]
        except DatabaseUnavailable as error:
            LOG.warning("attempt_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
            return None
        tried: Groups = {}
        put_off: Groups = {}
        lacks: Lane | None = None
        now = datetime.now(UTC)
        groups = by_domain(addresses)
        for domain, recipients in groups.items():
            lane = Lane(letter.envelope.tenant_id, domain)
            is_early = letter.envelope.wishes.is_held(now)
            # Copies of their own are sent one by one, and what is done is written down in between (edge.laters).
            are_many = letter.envelope.own_copies is not None and len(recipients) > 1
            may_go = not (is_early or are_many) and self._may_go(lane, now)
            if may_go and self._slots.enter_first(lane):
                tried[domain] = recipients
            else:
                put_off[domain] = recipients
                lacks = lane if may_go and len(groups) == 1 else None
        # What was written down before it came again was told of then.
        written = set(by_domain(known))
        return Arrived(message, letter, tried, put_off, set(tried), written, lacks)

    async def _put_off(self, waiting: Sequence[Arrived]) -> None:
        """Many at once, in one transaction."""
        if not waiting:
            return
        for each in waiting:
            self._bodies.release(each.letter.body)
        try:
            await self._queue.put_off([put_off for each in waiting for put_off in self._untried(each)])
        except DatabaseUnavailable as error:
            LOG.warning("attempt_postponed", error=str(error))
            for each in waiting:
                await each.message.retry_later(UNWELL_SECONDS)
            return
        self._slots.tell_due()
        metrics.PUT_OFF.inc(len(waiting))
        for each in waiting:
            await each.message.acknowledge()

    async def _first(self, arrived: Arrived) -> None:
        message = arrived.message
        self._keeper.enter(message)
        try:
            await self._first_attempt(arrived)
            await message.acknowledge()
        except (BlobUnavailable, DatabaseUnavailable) as error:
            LOG.warning("attempt_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
        except Exception:
            LOG.exception("attempt_failed", deliveries=message.deliveries)
            await message.retry_later(UNWELL_SECONDS * min(message.deliveries, 60))
        finally:
            self._keeper.leave(message)
            self._bodies.release(arrived.letter.body)
            for domain in list(arrived.places):
                self._leave(arrived, domain)

    def _leave(self, arrived: Arrived, domain: str) -> None:
        arrived.places.discard(domain)
        self._slots.leave_first(arrived.lane(domain))
        self._begin_waiting()

    async def _poison(self, message: BusLetter, reason: str) -> None:
        try:
            await self._quarantine.put_aside(message.payload, reason)
        except BlobUnavailable as error:
            LOG.warning("poison_postponed", error=str(error))
            await message.retry_later(UNWELL_SECONDS)
            return
        metrics.POISONED.inc()
        LOG.error("message_poisoned", reason=reason)
        await message.acknowledge()

    async def _first_attempt(self, arrived: Arrived) -> None:
        """One attempt for each domain, side by side; each is written down when it is over, whatever the others do."""
        if arrived.put_off:
            await self._queue.put_off(self._untried(arrived))
            arrived.written.update(arrived.put_off)
        if len(arrived.tried) == 1:
            [(domain, recipients)] = arrived.tried.items()
            await self._tell(arrived, [await self._at_domain(arrived, domain, recipients)])
            return
        under_way = {asyncio.create_task(self._at_domain(arrived, *each)) for each in arrived.tried.items()}
        faults: list[BaseException] = []
        # Who is told, is told of all that is soon over at once.
        seconds: float | None = TOLD_TOGETHER_SECONDS
        try:
            while under_way:
                when = asyncio.FIRST_COMPLETED if seconds is None else asyncio.ALL_COMPLETED
                over, under_way = await asyncio.wait(under_way, timeout=seconds, return_when=when)
                seconds = None
                faults += [error for task in over if (error := task.exception()) is not None]
                await self._tell(arrived, [task.result() for task in over if task.exception() is None])
        finally:
            for task in under_way:
                task.cancel()
        if faults:
            raise faults[0]

    async def _tell(self, arrived: Arrived, fates: Sequence[Fates]) -> None:
        settled = [each for fate in fates for each in fate.settled]
        waiting = [each for fate in fates for each in fate.waiting]
        if settled or waiting:
            await self._attempts.tell(arrived.letter.envelope, arrived.message.payload, settled, waiting)

    async def _at_domain(self, arrived: Arrived, domain: str, recipients: tuple[str, ...]) -> Fates:
        """Each transaction is written down before the next one: who is killed repeats only what was under way."""
        letter, envelope = arrived.letter, arrived.letter.envelope
        fates = Fates([], [])
        try:
            while True:
                try:
                    with self._slots.waiting(Turn.FIRST):
                        made = await self._attempts.make(letter, domain, recipients)
                except NotNow as refused:
                    untried = self._postponed(arrived, domain, fates.waiting, recipients, refused.until)
                    await self._write(arrived, domain, [], [untried], [])
                    return fates
                settled = [each for each in made.outcomes if each.verdict is not Verdict.DEFERRED]
                fates.waiting.extend(each for each in made.outcomes if each.verdict is Verdict.DEFERRED)
                recipients = made.rest
                postponed: list[Postponed] = []
                if not recipients and fates.waiting:
                    schedule = self._rules.now.schedule_of(envelope.tenant_id, domain)
                    limits = limits_of(schedule, envelope)
                    next_at = schedule.next_attempt(1, datetime.now(UTC), limits.expires_at, self._chance)
                    if next_at is None:
                        settled += [expired(each) for each in fates.waiting]
                        fates.waiting.clear()
                    else:
                        postponed.append(self._postponed(arrived, domain, fates.waiting, (), next_at))
                await self._write(arrived, domain, settled, postponed, made.attempts)
                fates.settled.extend(settled)
                if not recipients:
                    await self._attempts.mind(arrived.lane(domain), made)
                    return fates
        finally:
            self._leave(arrived, domain)

    async def _write(
        self,
        arrived: Arrived,
        domain: str,
        settled: Sequence[Outcome],
        postponed: Sequence[Postponed],
        attempts: Sequence[Attempt],
    ) -> None:
        taken = _taken(arrived)
        arrived.written.add(domain)
        await self._queue.record_first(
            arrived.letter, arrived.message.payload, settled, postponed, attempts, taken
        )

    def _untried(self, arrived: Arrived) -> list[PutOff]:
        """What is put off: due at once, at the moment that its sender set, or when its destination may be there."""
        now = datetime.now(UTC)
        envelope = arrived.letter.envelope
        released_at = envelope.wishes.release_at if envelope.wishes.is_held(now) else None
        taken = _taken(arrived)
        return [
            # Into the lane of a destination that is away without waking it.
            PutOff(
                envelope,
                self._postponed(
                    arrived,
                    domain,
                    (),
                    recipients,
                    released_at or self._attempts.away_until(arrived.lane(domain), now) or now,
                ),
                taken,
            )
            for domain, recipients in arrived.put_off.items()
        ]

    def _postponed(
        self,
        arrived: Arrived,
        domain: str,
        waiting: Sequence[Outcome],
        untried: tuple[str, ...],
        next_attempt_at: datetime,
    ) -> Postponed:
        """An item for who was asked to come again, and who was not tried."""
        envelope = arrived.letter.envelope
        limits = limits_of(self._rules.now.schedule_of(envelope.tenant_id, domain), envelope)
        recipients = (*(each.address for each in waiting), *untried)
        is_held = not waiting and envelope.wishes.is_held(datetime.now(UTC))
        return Postponed(
            domain=domain,
            payload=_payload(arrived.letter, recipients),
            recipients=recipients,
            replies=(*(reply_text(each.reply) for each in waiting), *("" for _ in untried)),
            attempts=1 if waiting else 0,
            next_attempt_at=next_attempt_at,
            expires_at=limits.expires_at,
            warn_at=limits.warn_at,
            last_host=waiting[-1].host if waiting else "",
            release_at=envelope.wishes.release_at if is_held else None,
        )


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


def _taken(arrived: Arrived) -> TakenOver:
    """That the queue has it is told with the first that is written down."""
    return TakenOver.BEFORE if arrived.written else TakenOver.NOW
