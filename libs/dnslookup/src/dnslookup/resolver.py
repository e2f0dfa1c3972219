"""A resolver with deadlines and a cache that honours TTLs; dnspython does the asking.

Its servers can be set; without any the system's are asked. A name that does not
exist and a server that does not answer are different things here: the first is
final for a message, the second is not. A question that is being asked already is
not asked again: who comes later waits for the same answer.
"""

import asyncio
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
from dnslookup.reading import as_text, negative_seconds

DEADLINE_SECONDS = 10.0
MOST_KEPT = 10_000
LONGEST_KEPT_SECONDS = 3600.0
# Answers larger than this are not kept, so that strangers' records cannot fill the memory.
KEPT_CHARACTERS = 4096


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
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            # A machine without DNS: every question is one without an answer.
            self._resolver = dns.asyncresolver.Resolver(configure=False)
        if servers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        self._resolver.lifetime = deadline_seconds
        self._resolver.timeout = max(0.5, deadline_seconds / 4)
        self._shuffle = shuffle or random.SystemRandom()
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, list[Any] | None]] = {}
        self._under_way: dict[tuple[str, str], asyncio.Task[list[Any]]] = {}

    async def mail_hosts(self, domain: str) -> list[MailHost]:
        """Where a domain's mail goes, best first. Raises NoSuchDomain, NullMx, DnsUnavailable."""
        name = domain.rstrip(".").lower()
        records = await self._ask(name, "MX")
        if records:
            if len(records) == 1 and records[0][1] == "":
                raise NullMx(f"{name} says that it takes no mail")
            hosts = [MailHost(host, preference, False) for preference, host in records if host]
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

    async def records(self, name: str, kind: str) -> list[str]:
        """A, AAAA, MX (best preference first), PTR or TXT records as text (`reading.as_text`); [] when the name has none.

        Raises NoSuchDomain (the name does not exist), DnsUnavailable.
        """
        found = await self._ask(name.rstrip(".").lower(), kind)
        if kind == "MX":
            return [host for _, host in sorted(found)]
        return list(found)

    async def _ask(self, name: str, kind: str) -> list[Any]:
        """The records, [] when the name has none of that kind."""
        key = (name, kind)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock():
            if kept[1] is None:
                raise NoSuchDomain(f"{name} does not exist")
            return kept[1]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._fetch(name, kind))
            task.add_done_callback(lambda done: self._fetched(key, done))
        # Who gives up does not take the answer from the others.
        return await asyncio.shield(task)

    def _fetched(self, key: tuple[str, str], task: asyncio.Task[list[Any]]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # Seen, though everybody may have given up.

    async def _fetch(self, name: str, kind: str) -> list[Any]:
        key = (name, kind)
        try:
            answer = await self._resolver.resolve(name + ".", kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            responses = error.kwargs.get("responses", {}).values()
            self._keep(key, min(map(negative_seconds, responses), default=negative_seconds(None)), None)
            raise NoSuchDomain(f"{name} does not exist") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DnsUnavailable(f"DNS gave no answer for {name}: {error}") from error
        if answer.rrset is None:
            self._keep(key, negative_seconds(answer.response), [])
            return []
        texts = [as_text(kind, record) for record in answer.rrset]
        found: list[Any] = texts
        if kind == "MX":
            preferences = [record.preference for record in answer.rrset]
            found = list(zip(preferences, texts, strict=True))
        if sum(map(len, texts)) <= KEPT_CHARACTERS:
            self._keep(key, float(answer.chaining_result.minimum_ttl), found)
        return found

    def _keep(self, key: tuple[str, str], seconds: float, value: list[Any] | None) -> None:
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + min(seconds, LONGEST_KEPT_SECONDS), value)
