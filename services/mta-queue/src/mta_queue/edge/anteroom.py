"""Letters that have come from the bus and have no place yet wait here for a moment: the next place that they may have is theirs.

A place becomes free within milliseconds most of the time, and to wait for it in the table costs several times what it
costs to send a letter. Who waits here holds up nobody: places go round over tenants and over each tenant's destinations,
and whoever finds none goes into the table after `seconds`, as does at once what finds no room here. Where later attempts have
places that nobody uses, some go there earlier: who is slow to take our mail is to have as many places as ever.
"""

import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mta_queue.core.turns import Lane

T = TypeVar("T")
# Who has waited for so long may do better in the table, where it is a later attempt that has a place free.
IMPATIENT_SECONDS = 0.25
# As often those go who have a place there: until then it is seen who has taken one.
RELIEF_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[T]):
    what: T
    priority: int
    since: float


class Anteroom(Generic[T]):
    """Of one process; `most` 0: nobody waits here."""

    def __init__(
        self,
        most: int,
        of_a_lane: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        impatient_seconds: float = IMPATIENT_SECONDS,
    ) -> None:
        self._most = most
        self._of_a_lane = of_a_lane
        self._seconds = seconds
        self._impatient_seconds = impatient_seconds
        self._relieved_at = 0.0
        self._clock = clock
        self._tenants: OrderedDict[str, OrderedDict[str, list[_Waiting[T]]]] = OrderedDict()
        self._count = 0
        # Nobody has waited since before that.
        self._oldest = 0.0

    def __len__(self) -> int:
        return self._count

    def enter(self, what: T, lane: Lane, priority: int) -> bool:
        """Wait behind those of the lane that are as urgent; False: there is no room."""
        if self._count >= self._most:
            return False
        lanes = self._tenants.setdefault(lane.tenant_id, OrderedDict())
        line = lanes.setdefault(lane.domain, [])
        if len(line) >= self._of_a_lane:
            return False
        now = self._clock()
        if not self._count:
            self._oldest = now
        insort(line, _Waiting(what, priority, now), key=lambda each: -each.priority)
        self._count += 1
        return True

    def leave(
        self, has_place: Callable[[Lane], bool], has_share: Callable[[str], bool] = lambda _: True
    ) -> tuple[T, Lane] | None:
        """The next one that has a place, which is taken with that. Its tenant and lane are the last now.

        Of a tenant who `has_share` no more no lane is asked: one with hundreds would cost others that for each letter.
        """
        for tenant_id, lanes in self._tenants.items():
            if not has_share(tenant_id):
                continue
            for domain, line in lanes.items():
                if has_place(lane := Lane(tenant_id, domain)):
                    found = line.pop(0)
                    self._count -= 1
                    lanes.move_to_end(domain)
                    self._tenants.move_to_end(tenant_id)
                    self._drop_if_empty(lane)
                    return found.what, lane
        return None

    def overdue(self, places: int = 0) -> list[T]:
        """Those that have waited for too long, and now and then some for which there are places elsewhere; they leave."""
        now = self._clock()
        found = self._since_before(now - self._seconds, self._count)
        if places > 0 and now - self._relieved_at >= RELIEF_SECONDS:
            relieved = self._since_before(now - self._impatient_seconds, places)
            if relieved:
                self._relieved_at = now
            found += relieved
        return found

    def _since_before(self, before: float, most: int) -> list[T]:
        if not self._count or self._oldest > before:
            return []
        found: list[T] = []
        self._oldest = self._clock()
        for tenant_id, domain in [
            (each, domain) for each, lanes in self._tenants.items() for domain in lanes
        ]:
            line = self._tenants[tenant_id][domain]
            gone = [each for each in line if each.since <= before][: most - len(found)]
            found += [each.what for each in gone]
            line[:] = [each for each in line if each not in gone]
            self._oldest = min([self._oldest, *(each.since for each in line)])
            self._drop_if_empty(Lane(tenant_id, domain))
        self._count -= len(found)
        return found

    def empty(self) -> list[T]:
        """All; they leave."""
        found = [each.what for lanes in self._tenants.values() for line in lanes.values() for each in line]
        self._tenants.clear()
        self._count = 0
        return found

    def _drop_if_empty(self, lane: Lane) -> None:
        lanes = self._tenants[lane.tenant_id]
        if not lanes[lane.domain]:
            del lanes[lane.domain]
            if not lanes:
                del self._tenants[lane.tenant_id]
