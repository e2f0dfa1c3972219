"""What holds for a tenant's mail to a domain: whether it is suspended, and how often it is tried.

The nearest rule counts: the tenant's for the domain, the tenant's for all domains, the domain's for all tenants,
then what is for everything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mta_queue.core.egress import Source
from mta_queue.core.hooks import Hook
from mta_queue.core.schedule import Schedule
from mta_queue.core.shaping import Shapes, is_site
from mta_queue.core.way import NO_RULE, Way, WayRule, way_of

# A tenant id and a domain; "" is all of them.
Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Suspension:
    """No attempts for a while, and why. Without `expires_at` until it is lifted."""

    suspension_id: str
    tenant_id: str
    domain: str
    reason: str
    actor: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rules:
    """As they stood a moment ago."""

    suspensions: Mapping[Scope, Suspension]
    schedules: Mapping[Scope, Schedule]
    default: Schedule
    ways: Mapping[Scope, WayRule] = field(default_factory=dict)
    # Sources of connections, by pool.
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=Shapes)
    # Whether there is any suppression at all, and who is to be told what, by tenant.
    suppresses: bool = False
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)

    @property
    def suspends_sites(self) -> bool:
        """Whether any site is stopped now, perhaps."""
        return any(is_site(domain) for _, domain in self.suspensions)

    def suspension_of(self, tenant_id: str, domain: str, now: datetime) -> Suspension | None:
        """The one that stops this mail now; the longest where there are several."""
        stopping = [
            found
            for scope in _scopes(tenant_id, domain)
            if (found := self.suspensions.get(scope)) is not None
            and (found.expires_at is None or found.expires_at > now)
        ]
        return max(stopping, key=_end, default=None)

    def schedule_of(self, tenant_id: str, domain: str) -> Schedule:
        """The one for this mail."""
        for scope in _scopes(tenant_id, domain):
            if (found := self.schedules.get(scope)) is not None:
                return found
        return self.default

    def others_than_mx(self, domain: str) -> list[str]:
        """Tenants whose mail to the domain may go another way than everybody's."""
        return [tenant_id for tenant_id, about in self.ways if tenant_id and about in ("", domain)]

    def way_of(self, tenant_id: str, domain: str) -> Way:
        """Where and how this mail goes."""
        if not self.ways:
            return NO_RULE
        return way_of(found for scope in _scopes(tenant_id, domain) if (found := self.ways.get(scope)))


def _scopes(tenant_id: str, domain: str) -> Iterator[Scope]:
    yield tenant_id, domain
    yield tenant_id, ""
    yield "", domain
    yield "", ""


def _end(suspension: Suspension) -> float:
    return float("inf") if suspension.expires_at is None else suspension.expires_at.timestamp()
