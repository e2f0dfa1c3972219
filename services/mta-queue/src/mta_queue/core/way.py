"""How a tenant's mail goes to a domain where a rule says so: over which host, with what TLS at least, from where.

Rules have a scope: a tenant and a domain, a tenant, a domain, or everything. The nearest that says something of a subject
(host; minimum TLS; egress) counts for it, so that a tenant's smarthost for everything and the operator's minimum for a
bank's domain hold together.
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


NO_RULE = Way()


def way_of(rules: Iterable[WayRule]) -> Way:
    """Of the rules for a mail, nearest first. Raises RouteInvalid for a row that was not written by us."""
    found = list(rules)
    if not found:
        return NO_RULE
    hosts = (each for each in found if each.host)
    host = next(hosts, None)
    return Way(
        parse_route(host.host) if host is not None else None,
        host.protocol if host is not None else Protocol.SMTP,
        host if host is not None and host.username else None,
        next((each.minimum for each in found if each.minimum is not None), Minimum.OPPORTUNISTIC),
        next((each.egress for each in found if each.egress), ""),
    )
