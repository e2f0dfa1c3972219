"""Where a domain's mail may go now: addresses of its hosts in the order of preference, each with the TLS it must show.

RFC 5321 §5.1: MX records, hosts of equal preference in any order, the domain itself for want of an MX. Where we are among
the hosts ourselves, those that are not better than us would send it back, and are left out. A route stands in place of
the MX; its host may be inside, for the operator chose it.
"""

from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from dnslookup import DnsUnavailable, HostAddresses, MailHost, MailRoute, NoSuchDomain, Resolver

from mta_queue.adapters.tls_policies import Destination, HostRefused, StsLookup, of_domain, of_host
from mta_queue.core.dead_hosts import Key
from mta_queue.core.destinations import literal_of
from mta_queue.core.egress import Source
from mta_queue.core.route import Route
from mta_queue.core.tls import Demand, at_least
from mta_queue.core.way import NO_RULE, Way

HOSTS_TRIED = 10
# Of the hosts that a domain names so many are looked up; a zone may name thousands whose servers never answer.
HOSTS_ASKED = 20
# Addresses of one host that are connected to at the same time, beside the first.
RACED = 3


class LoopsBack(Exception):
    """The domain's mail should come to us, and we do not know the domain."""


@dataclass(frozen=True, slots=True)
class Place:
    """One address of one host. A route's may be inside."""

    host: str
    address: str
    port: int
    is_route: bool
    demand: Demand
    way: Way = NO_RULE
    # Where the connection comes from; None: from wherever.
    source: Source | None = None
    # More addresses of the host, which may be connected to while this one is silent.
    others: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What is remembered of it."""
        return self.key_at(self.address)

    def key_at(self, address: str) -> Key:
        """The same of another of the host's addresses. A source that cannot reach it is no reason for others."""
        return self.host, address, self.port, self.way.egress

    @property
    def connection_key(self) -> tuple[Hashable, ...]:
        """What its connections are kept under: one that shows less is no good for who asks for more."""
        return self.host, self.address, self.port, self.demand, self.way, self.source


@dataclass(frozen=True, slots=True)
class Shut:
    """A host that gets nothing now."""

    host: str
    why: HostRefused


class Places:
    """Asks DNS. `hostname` is our own name."""

    def __init__(self, resolver: Resolver, sts: StsLookup | None, hostname: str, port: int) -> None:
        self._resolver = resolver
        self._sts = sts
        self._hostname = hostname.rstrip(".").lower()
        self._port = port

    async def of(
        self, domain: str, way: Way, *, is_lenient: bool
    ) -> AsyncIterator[Place | Shut | Destination]:
        """The destination first, where DNS names it, then its places. Raises NullMx, NoSuchDomain, DnsUnavailable, LoopsBack."""
        minimum = way.minimum
        if way.route is not None:
            async for place in self._of_route(way, way.route, is_lenient=is_lenient):
                yield place
            return
        literal = literal_of(domain)
        if literal is not None:
            yield Place(literal, literal, self._port, False, at_least(minimum, literal), way)
            return
        found = await self._resolver.mail_route(domain)
        hosts = self._without_us(domain, found)
        destination = await of_domain(domain, found, minimum, self._sts, is_lenient=is_lenient)
        yield destination
        tried = 0
        for host in hosts[:HOSTS_ASKED]:
            try:
                addresses = await self._resolver.host_addresses(host.name)
            except (NoSuchDomain, DnsUnavailable):
                # One bad MX of several harms nobody (RFC 5321 §5.1).
                continue
            if not addresses.addresses:
                continue
            try:
                demand = await of_host(self._resolver, destination, host.name, self._port, addresses)
            except HostRefused as refused:
                yield Shut(host.name, refused)
                continue
            ordered = _in_turns(addresses.addresses)
            for number, address in enumerate(ordered):
                others = tuple(ordered[number + 1 : number + 1 + RACED])
                yield Place(host.name, address, self._port, False, demand, way, others=others)
                tried += 1
                if tried == HOSTS_TRIED:
                    return

    def _without_us(self, domain: str, found: MailRoute) -> list[MailHost]:
        own = min((each.preference for each in found.hosts if each.name == self._hostname), default=None)
        if own is None:
            return list(found.hosts)
        better = [each for each in found.hosts if each.preference < own]
        if not better:
            raise LoopsBack(f"mail for {domain} should come to {self._hostname}, which does not take it")
        return better

    async def _of_route(self, way: Way, route: Route, *, is_lenient: bool) -> AsyncIterator[Place | Shut]:
        minimum = way.minimum
        port = route.port or self._port
        if ":" in route.host or route.host.replace(".", "").isdigit():
            yield Place(route.host, route.host, port, True, at_least(minimum, route.host), way)
            return
        addresses: HostAddresses = await self._resolver.host_addresses(route.host)
        # Nobody but the operator stands between the domain and this host (RFC 7672 §2.2.2).
        destination = Destination(route.host, True, (route.host,), minimum, None, is_lenient)
        try:
            demand = await of_host(self._resolver, destination, route.host, port, addresses)
        except HostRefused as refused:
            yield Shut(route.host, refused)
            return
        ordered = _in_turns(addresses.addresses)[:HOSTS_TRIED]
        for number, address in enumerate(ordered):
            others = tuple(ordered[number + 1 : number + 1 + RACED])
            yield Place(route.host, address, port, True, demand, way, others=others)


def _in_turns(addresses: Sequence[str]) -> list[str]:
    """One of each family after the other (RFC 8305 §4), IPv4 first: that is where a sender is known."""
    families = [[each for each in addresses if ":" not in each], [each for each in addresses if ":" in each]]
    return [each for pair in zip_longest(*families) for each in pair if each is not None]
