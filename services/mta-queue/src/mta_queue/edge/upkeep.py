"""What must be done now and then, by whichever process comes to it: the end of what had no turn, the end of history."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from pgkit import DatabaseUnavailable
from servicekit import logs

from mta_queue import metrics
from mta_queue.ports import Queue

LOG = logs.logger("mta_queue.upkeep")
EVERY_SECONDS = 15.0
BATCH = 500
# What is due at its very end is tried once more; only what is not has had no turn.
GRACE = timedelta(minutes=10)


class Upkeep:
    """Several processes may run it."""

    def __init__(
        self,
        queue: Queue,
        history: timedelta,
        draining: asyncio.Event,
        *,
        outcomes: timedelta,
        forget_expired: Callable[[int], Awaitable[int]],
    ) -> None:
        self._queue = queue
        self._history = history
        self._outcomes = outcomes
        self._forget_expired = forget_expired
        self._draining = draining

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            try:
                await self.once(datetime.now(UTC))
            except DatabaseUnavailable as error:
                LOG.warning("upkeep_failed", error=str(error))
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._draining.wait()
            except TimeoutError:
                continue

    async def once(self, now: datetime) -> None:
        """Raises DatabaseUnavailable."""
        ended = await self._all(lambda: self._queue.end_holds(BATCH, now))
        if ended:
            LOG.info("holds_ended", items=ended)
        given_up = await self._all(lambda: self._queue.give_up_overdue(BATCH, now - GRACE))
        if given_up:
            LOG.info("overdue_given_up", items=given_up)
        await self._all(lambda: self._queue.forget_attempts(BATCH * 10, now - self._history), BATCH * 10)
        await self._all(lambda: self._queue.forget_outcomes(BATCH * 10, now - self._outcomes), BATCH * 10)
        await self._all(lambda: self._forget_expired(BATCH))
        metrics.WAITING.set(await self._queue.waiting())

    async def _all(self, some: Callable[[], Awaitable[int]], batch: int = BATCH) -> int:
        """Batch by batch, as long as there are whole ones."""
        total = 0
        while not self._draining.is_set():
            done = await some()
            total += done
            if done < batch:
                break
        return total
