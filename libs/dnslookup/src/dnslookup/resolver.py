"""A resolver with deadlines and a cache that honours TTLs; dnspython does the asking.

Its servers can be set; without any the system's are asked. A name that does not
exist and a server that does not answer are different things here: the first is
final for a message, the second is not. A question that is being asked already is
not asked again: who comes later waits for the same answer.

Where the servers validate DNSSEC, and the way to them is trusted, their word for it (the AD bit, RFC 6840 §5.7, §5.8) is
asked for and kept with each answer; elsewhere nothing counts as authenticated.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.rdatatype
import dns.resolver

from dnslookup.answers import DnsUnavailable, Found, HostAddresses, MailHost, MailRoute, NoSuchDomain, NullMx
from dnslookup.reading import as_text, negative_seconds
from dnslookup.server import BoundedServer

DEADLINE_SECONDS = 10.0
MOST_KEPT = 10_000
# Of a zone that names thousands the best count, the same each time.
MOST_HOSTS = 100
LONGEST_KEPT_SECONDS = 3600.0
# Answers larger than this are not kept, so that strangers' records cannot fill the memory: of characters and of records,
# since those without a character take room too.
KEPT_CHARACTERS = 4096
KEPT_RECORDS = 100


# RFC 5321 §2.3.5: what a mail host may be called, and underscores, which some are. In DNS a name may hold any octet.
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")


class Resolver:
    """Shared by a process. `shuffle` orders hosts of equal preference (RFC 5321 §5.1).

    `servers_validate`: the servers check DNSSEC and nobody stands between them and us.
    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]] = (),
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        shuffle: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        servers_validate: bool = False,
    ) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            # A machine without DNS: every question is one without an answer.
            self._resolver = dns.asyncresolver.Resolver(configure=False)
        if servers:
            self._resolver.nameservers = [BoundedServer(host, port) for host, port in servers]
        else:
            known = [each for each in self._resolver.nameservers if isinstance(each, str)]
            self._resolver.nameservers = [BoundedServer(each, self._resolver.port) for each in known]
        self._resolver.lifetime = deadline_seconds
        self._resolver.timeout = max(0.5, deadline_seconds / 4)
        self._servers_validate = servers_validate
        if servers_validate:
            self._resolver.flags = dns.flags.RD | dns.flags.AD
        self._shuffle = shuffle or random.SystemRandom()
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Found | None]] = {}
        self._under_way: dict[tuple[str, str], asyncio.Task[Found]] = {}

    async def mail_hosts(self, domain: str) -> list[MailHost]:
        """Where a domain's mail goes, best first. Raises NoSuchDomain, NullMx, DnsUnavailable."""
        return list((await self.mail_route(domain)).hosts)

    async def mail_route(self, domain: str) -> MailRoute:
        """The same, and whether DNSSEC vouches for it. Raises NoSuchDomain, NullMx, DnsUnavailable."""
        name = domain.rstrip(".").lower()
        found = await self._ask(name, "MX")
        records = found.records
        if records:
            if len(records) == 1 and records[0][1] == "":
                raise NullMx(f"{name} says that it takes no mail")
            hosts_of_mail = [each for each in records if HOST.fullmatch(each[1])]
            best = sorted(hosts_of_mail)[:MOST_HOSTS]
            hosts = [MailHost(host, preference, False) for preference, host in best]
            self._shuffle.shuffle(hosts)
            hosts.sort(key=lambda host: host.preference)
            return MailRoute(tuple(hosts), found.is_authenticated, found.canonical_name)
        if await self.addresses(name):
            return MailRoute((MailHost(name, 0, True),), found.is_authenticated, found.canonical_name)
        raise NoSuchDomain(f"{name} has neither MX nor address")

    async def addresses(self, host: str) -> list[str]:
        """IPv4 and IPv6 addresses of a host, [] when it has none. Raises NoSuchDomain, DnsUnavailable."""
        return list((await self.host_addresses(host)).addresses)

    async def host_addresses(self, host: str) -> HostAddresses:
        """The same, and whether DNSSEC vouches for all of it. Raises NoSuchDomain, DnsUnavailable."""
        name = host.rstrip(".").lower()
        v4 = await self._ask(name, "A")
        try:
            v6 = await self._ask(name, "AAAA")
        except (NoSuchDomain, DnsUnavailable):
            # There are servers that know no AAAA and say that the name is none, or nothing at all (RFC 4074 §4).
            if not v4.records:
                raise
            return HostAddresses(tuple(map(str, v4.records)), v4.is_authenticated, v4.canonical_name)
        return HostAddresses(
            tuple(str(each) for each in [*v4.records, *v6.records]),
            v4.is_authenticated and v6.is_authenticated,
            v4.canonical_name,
        )

    async def authenticated(self, name: str, kind: str) -> list[str]:
        """Records that DNSSEC vouches for, as text; [] where there are none such. Raises DnsUnavailable."""
        try:
            found = await self._ask(name.rstrip(".").lower(), kind)
        except NoSuchDomain:
            return []
        return [str(each) for each in found.records] if found.is_authenticated else []

    async def records(self, name: str, kind: str) -> list[str]:
        """A, AAAA, CNAME, MX (best preference first), PTR, TLSA or TXT records as text (`reading.as_text`); [] when the name has none.

        Raises NoSuchDomain (the name does not exist), DnsUnavailable.
        """
        return _texts(kind, await self._ask(name.rstrip(".").lower(), kind))

    def known_records(self, name: str, kind: str) -> list[str] | None:
        """The same where it need not be asked; None: it must be. Raises NoSuchDomain."""
        found = self._known((name.rstrip(".").lower(), kind))
        return None if found is None else _texts(kind, found)

    def _known(self, key: tuple[str, str]) -> Found | None:
        kept = self._kept.get(key)
        if kept is None or kept[0] <= self._clock():
            return None
        if kept[1] is None:
            raise NoSuchDomain(f"{key[0]} does not exist")
        return kept[1]

    async def _ask(self, name: str, kind: str) -> Found:
        """The records, none when the name has none of that kind."""
        key = (name, kind)
        if (known := self._known(key)) is not None:
            return known
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._fetch(name, kind))
            task.add_done_callback(lambda done: self._fetched(key, done))
        # Who gives up does not take the answer from the others.
        return await asyncio.shield(task)

    def _fetched(self, key: tuple[str, str], task: asyncio.Task[Found]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # Seen, though everybody may have given up.

    async def _fetch(self, name: str, kind: str) -> Found:
        key = (name, kind)
        try:
            answer = await self._resolver.resolve(name + ".", kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            responses = error.kwargs.get("responses", {}).values()
            self._keep(key, min(map(negative_seconds, responses), default=negative_seconds(None)), None)
            raise NoSuchDomain(f"{name} does not exist") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DnsUnavailable(f"DNS gave no answer for {name}: {error}") from error
        is_authenticated = self._servers_validate and bool(answer.response.flags & dns.flags.AD)
        canonical_name = answer.canonical_name.to_text().rstrip(".").lower()
        if answer.rrset is None:
            none = Found((), is_authenticated, canonical_name)
            self._keep(key, negative_seconds(answer.response), none)
            return none
        texts = [as_text(kind, record) for record in answer.rrset]
        records: list[Any] = texts
        if kind == "MX":
            preferences = [record.preference for record in answer.rrset]
            records = list(zip(preferences, texts, strict=True))
        found = Found(tuple(records), is_authenticated, canonical_name)
        if len(texts) <= KEPT_RECORDS and sum(map(len, texts)) <= KEPT_CHARACTERS:
            self._keep(key, float(answer.chaining_result.minimum_ttl), found)
        return found

    def _keep(self, key: tuple[str, str], seconds: float, value: Found | None) -> None:
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + min(seconds, LONGEST_KEPT_SECONDS), value)


def _texts(kind: str, found: Found) -> list[str]:
    if kind == "MX":
        return [host for _, host in sorted(found.records)]
    return list(found.records)
