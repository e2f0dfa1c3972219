"""The resolver against a real server: what is kept and for how long, what is asked once, what is no answer."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dnslookup import DnsUnavailable, NoSuchDomain, Resolver, parse_servers
from senderauth import Result
from senderauth.dkim import Algorithm, generate_pem, kept_signing_key, sign
from senderauth.dns import Answers, NoAnswer, RecordType, TempError
from smtp_gateway.adapters.questions import TOO_LATE, Questions
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.verdicts import is_unwanted
from smtp_gateway.edge.checking import Checker

from tests.support.dnsserver import DnsServer

LONG = "v=DKIM1; k=rsa; p=" + "A" * 700


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.txt("long.test", LONG)
        server.set("two.test", "TXT", '"one" " and two"', '"other"')
        server.set("two.test", "MX", "20 Second.two.test.", "10 first.two.test.")
        server.set("void.test", "MX", "0 .")
        server.ptr("192.0.2.1", "Client.two.test")
        server.ptr("2001:db8::1", "client6.two.test")
        yield server


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def resolver(dns: DnsServer, clock: Clock | None = None) -> Resolver:
    return Resolver(parse_servers(dns.address), deadline_seconds=2.0, clock=clock or Clock())


async def test_every_kind_as_text(dns: DnsServer) -> None:
    asked = resolver(dns)
    assert await asked.records("Long.Test.", "TXT") == [LONG]
    assert sorted(await asked.records("two.test", "TXT")) == ["one and two", "other"]
    assert await asked.records("two.test", "MX") == ["first.two.test", "second.two.test"]
    assert await asked.records("void.test", "MX") == [""]
    assert await asked.records("1.2.0.192.in-addr.arpa", "PTR") == ["client.two.test"]
    assert await asked.records("client6.two.test", "AAAA") == ["2001:db8::1"]
    assert await asked.records("client.two.test", "A") == ["192.0.2.1"]


async def test_of_a_zone_that_names_thousands_of_hosts_the_same_best_ones_count(dns: DnsServer) -> None:
    dns.set("many.test", "MX", *(f"{number % 7} h{number}.many.test." for number in range(1000)))
    first, again = [await resolver(dns).mail_hosts("many.test") for _ in range(2)]
    assert len(first) == 100
    assert {each.preference for each in first} == {0}
    assert {each.name for each in first} == {each.name for each in again}


async def test_what_no_host_is_called_is_no_mail_host(dns: DnsServer) -> None:
    strange = (
        r"a\032b.odd.test.",
        r"\010.odd.test.",
        r"b\246se.odd.test.",
        "-x.odd.test.",
        r"a\.b.odd.test.",
    )
    dns.set("odd.test", "MX", *(f"10 {name}" for name in strange), "20 mail_1.odd.test.")
    assert [each.name for each in await resolver(dns).mail_hosts("odd.test")] == ["mail_1.odd.test"]
    dns.set("odd.test", "MX", *(f"10 {name}" for name in strange))
    assert await resolver(dns).mail_hosts("odd.test") == []


async def test_no_such_name_is_not_no_such_record(dns: DnsServer) -> None:
    asked = resolver(dns)
    assert await asked.records("two.test", "AAAA") == []
    assert await asked.records("test", "TXT") == []
    with pytest.raises(NoSuchDomain):
        await asked.records("none.two.test", "TXT")


async def test_answers_are_kept_for_their_time(dns: DnsServer) -> None:
    clock = Clock()
    asked = resolver(dns, clock)
    for _ in range(3):
        await asked.records("two.test", "TXT")
        assert await asked.records("two.test", "AAAA") == []
        with pytest.raises(NoSuchDomain):
            await asked.records("gone.invalid", "A")
    assert len(dns.questions) == 3
    clock.now = 5.1  # The records' TTL is over, what was not there is remembered longer.
    dns.set("two.test", "TXT", '"new"')
    assert await asked.records("two.test", "TXT") == ["new"]
    assert await asked.records("two.test", "AAAA") == []
    assert len(dns.questions) == 4


async def test_who_asks_the_same_waits_for_the_same_answer(dns: DnsServer) -> None:
    asked = resolver(dns)
    found = await asyncio.gather(*(asked.records("two.test", "MX") for _ in range(50)))
    assert len(found) == 50
    assert len(dns.questions) == 1


async def test_a_failing_server_is_no_answer_and_is_not_remembered(dns: DnsServer) -> None:
    asked = resolver(dns)
    dns.failing.add("two.test")
    with pytest.raises(DnsUnavailable):
        await asked.records("two.test", "TXT")
    dns.failing.clear()
    assert await asked.records("two.test", "TXT")


async def test_as_the_checks_ask(dns: DnsServer) -> None:
    resolve = Questions(resolver(dns)).within(5.0)
    # The second time it is known.
    for asked in (3, 3):
        assert await resolve("long.test", RecordType.TXT) == Answers((LONG,))
        assert await resolve("two.test", RecordType.A) is NoAnswer.NO_DATA
        assert await resolve("none.test", RecordType.A) is NoAnswer.NO_NAME
        assert len(dns.questions) == asked
    dns.failing.add("two.test")
    assert isinstance(await resolve("two.test", RecordType.PTR), TempError)
    # A name that DNS cannot have, should one come this far.
    assert isinstance(await resolve("a" * 64 + ".test", RecordType.TXT), TempError)


async def test_no_question_after_the_deadline(dns: DnsServer) -> None:
    dns.silent.add("two.test")
    questions = Questions(resolver(dns))
    assert await questions.within(0.05)("two.test", RecordType.TXT) is TOO_LATE
    resolve = questions.within(0.0)
    asked = len(dns.questions)
    assert await resolve("long.test", RecordType.TXT) is TOO_LATE
    assert len(dns.questions) == asked


async def test_who_gives_up_does_not_take_the_answer_from_others(dns: DnsServer) -> None:
    asked = resolver(dns)
    hasty = asyncio.create_task(asked.records("two.test", "MX"))
    patient = asyncio.create_task(asked.records("two.test", "MX"))
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient == ["first.two.test", "second.two.test"]
    assert len(dns.questions) == 1


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        # Its policy was known in time, but whether the message passes was not.
        (b"a@loud.test", Result.TEMPERROR),
        # Who forges another's name cannot hide behind a silent zone of his own.
        (b"a@victim.test", Result.FAIL),
    ],
)
async def test_a_zone_that_says_nothing_holds_no_message_up(
    dns: DnsServer, author: bytes, expected: Result
) -> None:
    """All checks of a message end with its deadline, with what they have found until then."""
    for domain in ("loud.test", "victim.test"):
        dns.txt(f"_dmarc.{domain}", "v=DMARC1; p=reject")
    dns.txt("loud.test", "v=spf1 include:quiet.test -all")
    dns.silent |= {"quiet.test", "s._domainkey.loud.test", "9.113.0.203.in-addr.arpa"}
    key = kept_signing_key("loud.test", "s", generate_pem(Algorithm.ED25519_SHA256))
    letter = b"From: " + author + b"\r\n\r\nHello\r\n"
    signed = sign(letter, [key], now=datetime.now(UTC), lifetime_seconds=600) + letter
    checker = Checker(Questions(resolver(dns)), "gate.test", Networks(()), 1.0)
    found = await checker.check("203.0.113.9", "mail.loud.test", "a@loud.test", signed)
    assert found is not None
    assert found.dmarc is not None
    assert [found.spf.result, found.iprev.result, found.dkim[0].result] == [Result.TEMPERROR] * 3
    assert found.dmarc.result is expected
    assert is_unwanted(found, frozenset()) is (expected is Result.FAIL)
