"""Places for attempts in this process: how many at once in all, to one destination, of one tenant.

First attempts leave a quarter of all places, and of each destination's and tenant's, to later ones, so that what waits is
never starved by what comes.

Who has waited for long for another system gives its place to others and goes on beside them, up to a number; it counts
for its destination and its tenant still. So hosts that keep us waiting do not hold up mail to others.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from enum import Enum

from mta_queue import metrics
from mta_queue.core.turns import Caps, Lane, UnderWay

LONG_SECONDS = 20.0
# As many as there are places, so many times.
BESIDE_TIMES = 3


class Turn(Enum):
    """Of what kind an attempt is."""

    FIRST = "first"
    LATER = "later"


class Slots:
    """Not shared with other processes; leases tell those of later attempts."""

    def __init__(self, total: int, caps: Caps) -> None:
        self.caps = caps
        self.firsts = UnderWay()
        self._laters = UnderWay()
        self._total = total
        self._firsts_most = total - total // 4
        self._firsts_caps = Caps(
            caps.a_destination - caps.a_destination // 4,
            caps.a_tenant - caps.a_tenant // 4,
            caps.narrower,
        )
        self._first_count = 0
        self._later_count = 0
        self._freed = asyncio.Event()
        self._due = asyncio.Event()
        self._drain: asyncio.Task[None] | None = None
        self._beside: Counter[Turn] = Counter()
        self._beside_most = total * BESIDE_TIMES

    @property
    def room_for_firsts(self) -> int:
        """Places that first attempts may take now."""
        return min(self._firsts_most - self._first_count + self._beside[Turn.FIRST], self._free)

    @property
    def room_for_laters(self) -> int:
        """Places that later attempts may take now."""
        return max(0, self._free)

    @property
    def _free(self) -> int:
        return self._total - self._first_count - self._later_count + self._beside.total()

    @contextlib.contextmanager
    def waiting(self, turn: Turn, seconds: float = LONG_SECONDS) -> Iterator[None]:
        """While an attempt that has a place is under way: after so long others may have it."""
        goes_beside = False

        def step_aside() -> None:
            nonlocal goes_beside
            if self._beside.total() < self._beside_most:
                goes_beside = True
                self._beside[turn] += 1
                self._freed.set()

        timer = asyncio.get_running_loop().call_later(seconds, step_aside)
        try:
            yield
        finally:
            timer.cancel()
            if goes_beside:
                self._beside[turn] -= 1

    def enter_first(self, lane: Lane) -> bool:
        """Take a place for a first attempt, if there is one."""
        if (
            self.room_for_firsts <= 0
            or not self.firsts.has_room(lane, self._firsts_caps)
            or not self._has_room(lane)
        ):
            return False
        self.firsts.enter(lane)
        self._first_count += 1
        metrics.UNDER_WAY.inc()
        return True

    def has_share(self, tenant_id: str) -> bool:
        """Whether the tenant may have one more place anywhere."""
        firsts = self.firsts.by_tenant.get(tenant_id, 0)
        laters = self._laters.by_tenant.get(tenant_id, 0)
        return firsts < self._firsts_caps.a_tenant and firsts + laters < self.caps.a_tenant

    def enter_later(self, lane: Lane) -> None:
        """Take a place for an item under lease: the caps were minded when the lease was taken."""
        self._laters.enter(lane)
        self._later_count += 1
        metrics.UNDER_WAY.inc()

    def enter_more(self, lane: Lane) -> bool:
        """Take one more place for an item that is under way, if there is one that nobody needs now."""
        if self._free <= self._total // 4 or not self._has_room(lane):
            return False
        self.enter_later(lane)
        return True

    def _has_room(self, lane: Lane) -> bool:
        """Within the caps, first and later ones together."""
        firsts, laters = self.firsts, self._laters
        at_domain = firsts.by_domain.get(lane.domain, 0) + laters.by_domain.get(lane.domain, 0)
        of_tenant = firsts.by_tenant.get(lane.tenant_id, 0) + laters.by_tenant.get(lane.tenant_id, 0)
        return at_domain < self.caps.of(lane.domain) and of_tenant < self.caps.a_tenant

    def leave_first(self, lane: Lane) -> None:
        """It is over."""
        self.firsts.leave(lane)
        self._first_count -= 1
        self._left()

    def leave_later(self, lane: Lane) -> None:
        """It is over."""
        self._laters.leave(lane)
        self._later_count -= 1
        self._left()

    def _left(self) -> None:
        metrics.UNDER_WAY.dec()
        self._freed.set()

    async def wait_freed(self, seconds: float, draining: asyncio.Event) -> None:
        """Until a place is free that was not, the time is over, or the drain begins."""
        self._freed.clear()
        await self._wait(self._freed, seconds, draining)

    async def wait_due(self, seconds: float, draining: asyncio.Event) -> None:
        """Until something was put off that is due at once, the time is over, or the drain begins."""
        await self._wait(self._due, seconds, draining)
        self._due.clear()

    def tell_due(self) -> None:
        """Something was put off that is due at once."""
        self._due.set()

    async def _wait(self, event: asyncio.Event, seconds: float, draining: asyncio.Event) -> None:
        if self._drain is None:
            # One who watches for the drain, not one for each wait.
            self._drain = asyncio.create_task(self._watch(draining))
        if draining.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def _watch(self, draining: asyncio.Event) -> None:
        await draining.wait()
        self._freed.set()
        self._due.set()
