"""A resolver with deadlines and a cache that honours TTLs; dnspython does the asking.

Its servers can be set; without any the system's are asked. A name that does not
exist and a server that does not answer are different things here: the first is
final for a message, the second is not.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver

from dnslookup.answers import DnsUnavailable, MailHost, NoSuchDomain, NullMx

DEADLINE_SECONDS = 10.0
MOST_KEPT = 10_000
LONGEST_KEPT_SECONDS = 3600.0
NEGATIVE_KEPT_SECONDS = 60.0


class Resolver:
    """Shared by a process. `shuffle` orders hosts of equal preference (RFC 5321 §5.1)."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] = (),
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        shuffle: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        self._resolver.lifetime = deadline_seconds
        self._resolver.timeout = max(0.5, deadline_seconds / 4)
        self._shuffle = shuffle or random.SystemRandom()
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, list[Any] | None]] = {}

    async def mail_hosts(self, domain: str) -> list[MailHost]:
        """Where a domain's mail goes, best first. Raises NoSuchDomain, NullMx, DnsUnavailable."""
        name = domain.rstrip(".").lower()
        records = await self._ask(name, "MX")
        if records:
            if len(records) == 1 and records[0][1] == ".":
                raise NullMx(f"{name} says that it takes no mail")
            hosts = [
                MailHost(host.rstrip(".").lower(), preference, False)
                for preference, host in records
                if host != "."
            ]
            self._shuffle.shuffle(hosts)
            return sorted(hosts, key=lambda host: host.preference)
        if await self.addresses(name):
            return [MailHost(name, 0, True)]
        raise NoSuchDomain(f"{name} has neither MX nor address")

    async def addresses(self, host: str) -> list[str]:
        """IPv4 and IPv6 addresses of a host, [] when it has none. Raises NoSuchDomain, DnsUnavailable."""
        name = host.rstrip(".").lower()
        v4 = await self._ask(name, "A")
        v6 = await self._ask(name, "AAAA")
        return [str(each) for each in [*v4, *v6]]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        """The records, [] when the name has none of that kind."""
        key = (name, kind)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock():
            if kept[1] is None:
                raise NoSuchDomain(f"{name} does not exist")
            return kept[1]
        try:
            answer = await self._resolver.resolve(name + ".", kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            self._keep(key, NEGATIVE_KEPT_SECONDS, None)
            raise NoSuchDomain(f"{name} does not exist") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DnsUnavailable(f"DNS gave no answer for {name}: {error}") from error
        if answer.rrset is None:
            self._keep(key, NEGATIVE_KEPT_SECONDS, [])
            return []
        found: list[Any] = (
            [(record.preference, record.exchange.to_text()) for record in answer.rrset]
            if kind == "MX"
            else [record.address for record in answer.rrset]
        )
        self._keep(key, float(answer.rrset.ttl), found)
        return found

    def _keep(self, key: tuple[str, str], seconds: float, value: list[Any] | None) -> None:
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + min(seconds, LONGEST_KEPT_SECONDS), value)
