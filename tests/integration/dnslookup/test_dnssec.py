"""What DNSSEC vouches for, by the word of a server that validates."""

from collections.abc import Iterator

import pytest
from dnslookup import DnsUnavailable, NoSuchDomain, Resolver, parse_servers
from dnslookup.answers import Found

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


async def test_a_server_that_knows_no_aaaa_loses_no_mail_and_no_dnssec(dns: DnsServer) -> None:
    """RFC 4074 §4: such servers are there; who makes AAAA fail must not get rid of DANE either."""
    asked = resolver(dns, True)
    for zone, is_signed in (("signed.test", True), ("plain.test", False)):
        dns.failing.add(f"mx.{zone} AAAA")
        found = await asked.host_addresses(f"mx.{zone}")
        assert (found.addresses, found.is_authenticated) == (("127.0.0.1",), is_signed)
        assert found.canonical_name == f"mx.{zone}"
    # Without an MX it would be the end of the message.
    dns.set("bare.test", "A", "127.0.0.1")
    dns.failing.add("bare.test AAAA")
    assert [each.is_implicit for each in (await asked.mail_route("bare.test")).hosts] == [True]
    dns.set("six.test", "AAAA", "2001:db8::1")
    dns.failing.add("six.test AAAA")
    with pytest.raises(DnsUnavailable):
        await asked.host_addresses("six.test")
    with pytest.raises(NoSuchDomain):
        await asked.host_addresses("nowhere.test")


async def test_an_aaaa_that_does_not_exist_is_no_end_of_the_name(
    dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolver(dns, True)
    ask = asked._ask

    async def as_a_broken_server(name: str, kind: str) -> Found:
        if kind == "AAAA":
            raise NoSuchDomain(name)
        return await ask(name, kind)

    monkeypatch.setattr(asked, "_ask", as_a_broken_server)
    assert await asked.addresses("mx.signed.test") == ["127.0.0.1"]
