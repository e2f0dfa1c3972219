"""Later attempts, from the table: what is due, in turns (adapters.lanes), under leases."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from blobstore import BlobUnavailable
from pgkit import DatabaseUnavailable
from servicekit import logs

from mta_queue.core.attempt import Delivery
from mta_queue.core.outcome import Outcome, Verdict, all_alike, expired
from mta_queue.core.shaping import NotNow
from mta_queue.core.turns import Lane
from mta_queue.edge.attempts import Attempts
from mta_queue.edge.copies import NEXT, Copies
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.slots import Slots, Turn
from mta_queue.ports import Item, Lanes, Part, Queue

LOG = logs.logger("mta_queue.laters")
# Places that become free one by one are not filled one by one.
SPACING_SECONDS = 0.02
BUSY_SECONDS = 0.05
# Where many lanes have their turn and no place: so many looks at the next ones, then a pause.
IN_VAIN_MOST = 64
# Of one item, where there is room for more than one.
COPIES_AT_ONCE = 5


class Laters:
    """Takes items as long as there is room for them."""

    def __init__(
        self,
        lanes: Lanes,
        queue: Queue,
        attempts: Attempts,
        slots: Slots,
        rules: CurrentRules,
        draining: asyncio.Event,
        *,
        lease_seconds: float,
        poll_seconds: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: random.Random | None = None,
    ) -> None:
        self._lanes = lanes
        self._queue = queue
        self._attempts = attempts
        self._slots = slots
        self._rules = rules
        self._draining = draining
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._chance = chance or random.Random()
        self._last_order = 0
        self._under_lease: dict[tuple[int, int], Item] = {}

    async def run(self) -> None:
        """Until the drain; then what is under way is finished."""
        keeper = asyncio.create_task(self._keep_leases())
        try:
            await self._run()
        finally:
            keeper.cancel()

    async def _keep_leases(self) -> None:
        """So that a lease may be short: what a process that dies had taken is soon taken by another."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            items = list(self._under_lease.values())
            if items:
                try:
                    until = self._clock() + timedelta(seconds=self._lease_seconds)
                    await self._lanes.renew(items, until)
                except DatabaseUnavailable as error:
                    LOG.warning("leases_not_renewed", items=len(items), error=str(error))

    async def _run(self) -> None:
        in_vain = 0
        async with asyncio.TaskGroup() as tasks:
            while not self._draining.is_set():
                try:
                    await self._rules.refresh()
                except DatabaseUnavailable as error:
                    LOG.warning("rules_unknown", error=str(error))
                room = self._slots.room_for_laters
                if room == 0:
                    await self._slots.wait_freed(self._poll_seconds, self._draining)
                    await asyncio.sleep(SPACING_SECONDS)
                    continue
                try:
                    taken = await self._lanes.take(
                        room,
                        self._slots.firsts,
                        self._slots.caps,
                        self._rules.now,
                        self._lease_seconds,
                        self._clock(),
                    )
                except DatabaseUnavailable as error:
                    LOG.warning("due_items_unknown", error=str(error))
                    await self._pause(self._poll_seconds)
                    continue
                if taken is None:
                    # Another process takes.
                    await self._pause(BUSY_SECONDS)
                    continue
                if taken.last_order != self._last_order:
                    # Known with the very items that the order may have made due.
                    self._last_order = taken.last_order
                    self._attempts.forget()
                for item in taken.items:
                    self._slots.enter_later(_lane(item))
                    self._under_lease[item.item_id, item.fencing] = item
                    tasks.create_task(self._later(item))
                in_vain = 0 if taken.items else in_vain + 1
                if taken.items or (taken.is_part and in_vain < IN_VAIN_MOST):
                    await asyncio.sleep(SPACING_SECONDS)
                elif taken.is_capped:
                    await self._slots.wait_freed(self._poll_seconds, self._draining)
                    await asyncio.sleep(SPACING_SECONDS)
                else:
                    await self._slots.wait_due(self._poll_seconds, self._draining)
                    await asyncio.sleep(SPACING_SECONDS)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return

    async def _later(self, item: Item) -> None:
        envelope = item.letter.envelope
        try:
            delivery = await self._attempted(item)
            if delivery is None:
                return
            now = self._clock()
            waiting = [outcome for outcome in delivery.outcomes if outcome.verdict is Verdict.DEFERRED]
            settled = [outcome for outcome in delivery.outcomes if outcome.verdict is not Verdict.DEFERRED]
            schedule = self._rules.now.schedule_of(envelope.tenant_id, item.domain)
            next_attempt_at = schedule.next_attempt(item.attempts + 1, now, item.expires_at, self._chance)
            if next_attempt_at is None:
                settled += [expired(outcome) for outcome in waiting]
                waiting = []
            if not await self._queue.record_retry(item, settled, waiting, next_attempt_at, delivery.attempts):
                LOG.warning("lease_lost", queue_id=envelope.queue_id, domain=item.domain)
                return
            await self._attempts.tell(envelope, item.payload, settled, waiting)
            if not item.route:
                await self._attempts.mind(_lane(item), delivery)
        except NotNow as refused:
            await self._put_back(item, refused)
        except (BlobUnavailable, DatabaseUnavailable) as error:
            # The lease runs out and the item is taken again.
            LOG.warning("attempt_postponed", queue_id=envelope.queue_id, error=str(error))
        except Exception:
            LOG.exception("attempt_failed", queue_id=envelope.queue_id, domain=item.domain)
        finally:
            del self._under_lease[item.item_id, item.fencing]
            self._slots.leave_later(_lane(item))

    async def _attempted(self, item: Item) -> Delivery | None:
        """An attempt for all its recipients; None: it is written down already. Raises as Attempts.make does."""
        if item.letter.envelope.own_copies is None or len(item.recipients) == 1:
            return await self._in_parts(item)
        lane, places = _lane(item), 1
        while places < COPIES_AT_ONCE and self._slots.enter_more(lane):
            places += 1
        try:
            return await Copies(
                item,
                lambda address: self._make(item, (address,)),
                lambda part: self._write(item, part),
                lambda: self._clock() + timedelta(seconds=self._lease_seconds),
                self._draining,
            ).attempt(places)
        finally:
            for _ in range(places - 1):
                self._slots.leave_later(lane)

    async def _make(self, item: Item, recipients: tuple[str, ...]) -> Delivery:
        with self._slots.waiting(Turn.LATER):
            return await self._attempts.make(item.letter, item.domain, recipients, item.route)

    async def _in_parts(self, item: Item) -> Delivery | None:
        """As many transactions as it takes. Each is written down before the next one: who is killed repeats none of them."""
        waiting: list[Outcome] = []
        recipients = item.recipients
        while True:
            made = await self._make(item, recipients)
            if not made.rest:
                return replace(made, outcomes=[*waiting, *made.outcomes])
            waiting += [each for each in made.outcomes if each.verdict is Verdict.DEFERRED]
            recipients = made.rest
            goes_on = not self._draining.is_set()
            part = Part(
                settled=[each for each in made.outcomes if each.verdict is not Verdict.DEFERRED],
                waiting=[*waiting, *all_alike(recipients, NEXT)],
                attempts=made.attempts,
                kept_until=self._clock() + timedelta(seconds=self._lease_seconds) if goes_on else None,
            )
            if not (await self._write(item, part) and goes_on):
                return None

    async def _write(self, item: Item, part: Part) -> bool:
        """A part of it; False: another process has it."""
        if not await self._queue.record_part(item, part, self._clock()):
            LOG.warning("lease_lost", queue_id=item.letter.envelope.queue_id, domain=item.domain)
            return False
        await self._attempts.tell(item.letter.envelope, item.payload, part.settled, ())
        return True

    async def _put_back(self, item: Item, refused: NotNow) -> None:
        try:
            await self._lanes.put_back(item, refused.until)
        except DatabaseUnavailable as error:
            LOG.warning(
                "attempt_postponed", queue_id=item.letter.envelope.queue_id, error=f"{refused}; {error}"
            )


def _lane(item: Item) -> Lane:
    return Lane(item.letter.envelope.tenant_id, item.domain)
