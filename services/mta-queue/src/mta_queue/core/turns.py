"""Whose turn it is: round-robin over tenants, and over each tenant's destinations, with caps.

A lane is one tenant's mail for one domain. Every round gives each tenant one place, for the next of its lanes that
may have one. So a tenant with one item waits for one round, whatever others have waiting.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lane:
    """One tenant's mail for one domain."""

    tenant_id: str
    domain: str


@dataclass(frozen=True, slots=True)
class Caps:
    """How many attempts may be under way at once."""

    a_destination: int
    a_tenant: int
    # Where a rule gives a destination fewer connections (core.shaping), as far as that is known.
    narrower: Mapping[str, int] = field(default_factory=dict)

    def of(self, domain: str) -> int:
        """For one destination."""
        return min(self.a_destination, self.narrower.get(domain, self.a_destination))


@dataclass
class UnderWay:
    """Attempts under way, by destination and by tenant."""

    by_domain: Counter[str] = field(default_factory=Counter)
    by_tenant: Counter[str] = field(default_factory=Counter)

    def has_room(self, lane: Lane, caps: Caps) -> bool:
        """Whether one more may begin."""
        return (
            self.by_domain.get(lane.domain, 0) < caps.of(lane.domain)
            and self.by_tenant.get(lane.tenant_id, 0) < caps.a_tenant
        )

    def enter(self, lane: Lane) -> None:
        """One more is under way."""
        self.by_domain[lane.domain] += 1
        self.by_tenant[lane.tenant_id] += 1

    def leave(self, lane: Lane) -> None:
        """One is over."""
        for counter, key in ((self.by_domain, lane.domain), (self.by_tenant, lane.tenant_id)):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]

    def plus(self, other: "UnderWay") -> "UnderWay":
        """Both together."""
        return UnderWay(self.by_domain + other.by_domain, self.by_tenant + other.by_tenant)

    def copy(self) -> "UnderWay":
        """To plan with."""
        return UnderWay(self.by_domain.copy(), self.by_tenant.copy())


def share(lanes: Sequence[Lane], room: int, under_way: UnderWay, caps: Caps) -> dict[Lane, int]:
    """Places for lanes whose turn it is, in the order in which their turns came; 0 where a cap is reached.

    Lanes that are not in the answer were not reached: their turn is still to come. A tenant's lanes stand in the
    order of their turns, tenants in the order in which they first stand in `lanes`.
    """
    planned = under_way.copy()
    waiting: dict[str, deque[Lane]] = {}
    for lane in lanes:
        waiting.setdefault(lane.tenant_id, deque()).append(lane)
    given: dict[Lane, int] = {}
    while room > 0 and waiting:
        for tenant_id, turns in list(waiting.items()):
            while turns:
                lane = turns.popleft()
                given.setdefault(lane, 0)
                if planned.has_room(lane, caps):
                    planned.enter(lane)
                    given[lane] += 1
                    room -= 1
                    turns.append(lane)
                    break
            if not turns:
                del waiting[tenant_id]
            if room == 0:
                break
    return given
