"""What DNSSEC vouches for, by the word of a server that validates."""

from collections.abc import Iterator

import pytest
from dnslookup import DnsUnavailable, Resolver, parse_servers

from tests.support.dnsserver import DnsServer

TLSA = "3 1 1 " + "ab" * 32


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.signed = {"signed.test"}
        for zone in ("signed.test", "plain.test"):
            server.mx(zone, f"mx.{zone}")
            server.set(f"_25._tcp.mx.{zone}", "TLSA", TLSA)
        server.set("alias.signed.test", "CNAME", "mx.plain.test.")
        yield server


def resolver(dns: DnsServer, servers_validate: bool) -> Resolver:
    return Resolver(parse_servers(dns.address), deadline_seconds=2.0, servers_validate=servers_validate)


async def test_the_servers_word_counts_where_it_is_trusted(dns: DnsServer) -> None:
    asked = resolver(dns, True)
    for zone, is_signed in (("signed.test", True), ("plain.test", False)):
        for _ in range(2):  # From the servers, then as it is kept.
            assert (await asked.mail_route(zone)).is_authenticated is is_signed
            assert (await asked.host_addresses(f"mx.{zone}")).is_authenticated is is_signed
            assert await asked.authenticated(f"_25._tcp.mx.{zone}", "TLSA") == ([TLSA] if is_signed else [])


async def test_nothing_is_authenticated_where_the_servers_are_not_trusted(dns: DnsServer) -> None:
    asked = resolver(dns, False)
    assert not (await asked.mail_route("signed.test")).is_authenticated
    assert await asked.authenticated("_25._tcp.mx.signed.test", "TLSA") == []


async def test_a_chain_is_as_strong_as_its_weakest_name(dns: DnsServer) -> None:
    asked = resolver(dns, True)
    found = await asked.host_addresses("alias.signed.test")
    assert (found.is_authenticated, found.canonical_name) == (False, "mx.plain.test")
    assert await asked.authenticated("alias.signed.test", "CNAME") == ["mx.plain.test"]


async def test_what_is_not_there_and_what_fails_are_two_things(dns: DnsServer) -> None:
    asked = resolver(dns, True)
    assert await asked.authenticated("_25._tcp.nowhere.signed.test", "TLSA") == []
    dns.failing.add("_25._tcp.bogus.signed.test")
    with pytest.raises(DnsUnavailable):
        await asked.authenticated("_25._tcp.bogus.signed.test", "TLSA")
