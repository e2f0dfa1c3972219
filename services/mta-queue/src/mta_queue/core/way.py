"""How a tenant's mail goes to a domain where a rule says so: over which host, with what TLS at least, from where.

Rules have a scope: a tenant and a domain, a tenant, a domain, or everything. The nearest that says something of a subject
(host; minimum TLS; egress) counts for it, so that a tenant's smarthost for everything and the operator's minimum for a
bank's domain hold together.

A password is shown only to a host that shows who it is, where no rule is content with less; never in clear.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from mta_queue.core.route import Route, parse_route
from mta_queue.core.tls import Minimum


class Protocol(Enum):
    """What is spoken with a route's host."""

    SMTP = "smtp"
    LMTP = "lmtp"


@dataclass(frozen=True, slots=True)
class WayRule:
    """What one rule says; "" and None say nothing. The password is sealed; it belongs to the host."""

    host: str = ""
    protocol: Protocol = Protocol.SMTP
    username: str = ""
    password_sealed: bytes = b""
    minimum: Minimum | None = None
    egress: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """What holds. Without a route the domain's MX. `login` is the rule that says who we are at the route's host."""

    route: Route | None = None
    protocol: Protocol = Protocol.SMTP
    login: WayRule | None = None
    minimum: Minimum = Minimum.OPPORTUNISTIC
    egress: str = ""

    @property
    def is_own(self) -> bool:
        """Whether whose mail it is decides who is asked, and from where: others may find the destination there."""
        return self.route is not None or self.egress != ""

    def rerouted(self, route: Route) -> "Way":
        """The operator sends this mail elsewhere now; who we are at the usual host concerns nobody there."""
        return Way(route, minimum=self.minimum, egress=self.egress)


NO_RULE = Way()


def way_of(rules: Iterable[WayRule]) -> Way:
    """Of the rules for a mail, nearest first. Raises RouteInvalid for a row that was not written by us."""
    found = list(rules)
    if not found:
        return NO_RULE
    host = next((each for each in found if each.host), None)
    login = host if host is not None and host.username else None
    minimum = next((each.minimum for each in found if each.minimum is not None), None)
    if minimum is None:
        minimum = Minimum.OPPORTUNISTIC if login is None else Minimum.VERIFIED
    elif login is not None and minimum is Minimum.OPPORTUNISTIC:
        minimum = Minimum.ENCRYPTED
    return Way(
        parse_route(host.host) if host is not None else None,
        host.protocol if host is not None else Protocol.SMTP,
        login,
        minimum,
        next((each.egress for each in found if each.egress), ""),
    )
