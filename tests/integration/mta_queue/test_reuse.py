"""One connection for several messages, what a peer wants of it, and what history keeps of it."""

import ssl
from collections.abc import Iterator

import pytest
import trustme
from blobstore import BlobStore
from mta_queue.core.outcome import Verdict

from tests.integration.mta_queue.test_relay import letter, relay
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import CLOSE, SmtpSink


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.mx("y.test", "mx.y.test")
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


def hello(*extensions: str) -> str:
    lines = ["sink.test", "PIPELINING", *extensions]
    return "\r\n".join(f"250{' ' if n == len(lines) - 1 else '-'}{line}" for n, line in enumerate(lines))


async def test_messages_follow_each_other_on_one_connection(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink(script={"RCPT": ["250 ok", "550 5.1.1 nobody", "250 ok"]}) as sink:
        one = relay(dns, blobs, sink.port)
        sent = await letter(blobs, "a@y.test")
        verdicts = [(await one.deliver(sent, "y.test", ("a@y.test",))).outcomes[0].verdict for _ in range(3)]
        await one.close()
    assert verdicts == [Verdict.DELIVERED, Verdict.FAILED, Verdict.DELIVERED]
    assert (len(sink.sessions), len(sink.taken)) == (1, 2)
    assert "RSET" in sink.sessions[0], "a refused transaction is cleared away first"


@pytest.mark.parametrize(
    ("script", "settings", "sessions"),
    [
        ({}, {}, 1),
        ({}, {"messages_a_connection": 2}, 2),
        ({"EHLO": hello("LIMITS MAILMAX=1")}, {}, 3),
        ({"MAIL": ["250 ok", "421 4.3.2 that was enough", "250 ok"]}, {}, 2),
        ({"MAIL": ["250 ok", CLOSE, "250 ok"]}, {}, 2),
        ({}, {"connection_idle_seconds": 0.0}, 3),
    ],
    ids=["one", "our-limit", "mailmax", "421", "closed", "no-idling"],
)
async def test_a_connection_lasts_as_long_as_both_wish(
    dns: DnsServer, blobs: BlobStore, script: dict[str, str], settings: dict[str, object], sessions: int
) -> None:
    with SmtpSink(script=dict(script)) as sink:
        one = relay(dns, blobs, sink.port, **settings)
        sent = await letter(blobs, "a@y.test")
        for _ in range(3):
            [outcome] = (await one.deliver(sent, "y.test", ("a@y.test",))).outcomes
            assert outcome.verdict is Verdict.DELIVERED
        await one.close()
    assert (len(sink.taken), len(sink.sessions)) == (3, sessions)


@pytest.mark.parametrize(
    "script",
    [
        {"EHLO": hello("LIMITS RCPTMAX=2")},
        {"RCPT": ["250 ok", "250 ok", "452 4.5.3 too many", "250 ok"]},
    ],
    ids=["rcptmax", "452"],
)
async def test_a_peer_may_take_few_recipients_at_once(
    dns: DnsServer, blobs: BlobStore, script: dict[str, str]
) -> None:
    recipients = tuple(f"u{number}@y.test" for number in range(3))
    with SmtpSink(script=dict(script)) as sink:
        one = relay(dns, blobs, sink.port)
        sent = await letter(blobs, *recipients)
        first = await one.deliver(sent, "y.test", recipients)
        # What was taken is written down before the rest is sent.
        assert first.rest == recipients[2:]
        delivery = await one.deliver(sent, "y.test", first.rest)
        await one.close()
    assert {each.address: each.verdict for each in [*first.outcomes, *delivery.outcomes]} == dict.fromkeys(
        recipients, Verdict.DELIVERED
    )
    assert delivery.rest == ()
    assert [len(taken.recipients) for taken in sink.taken] == [2, 1]
    assert len(sink.sessions) == 1


async def test_history_says_where_how_and_what(dns: DnsServer, blobs: BlobStore) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("here.z.test").configure_cert(context)
    with SmtpSink(host="127.0.0.3", tls=context, script={"RCPT": ["250 ok", "450 4.2.1 busy"]}) as sink:
        dns.set("z.test", "MX", "10 away.z.test.", "20 here.z.test.")
        dns.set("away.z.test", "A", "127.0.0.2")
        dns.set("here.z.test", "A", "127.0.0.3")
        one = relay(dns, blobs, sink.port)
        recipients = ("a@z.test", "b@z.test")
        delivery = await one.deliver(await letter(blobs, *recipients), "z.test", recipients)
        await one.close()
    away, here = delivery.attempts
    assert (away.host, away.address, away.tls, away.reply.code) == ("away.z.test", "127.0.0.2", "", 451)
    assert (here.host, here.address, here.tls[:4]) == ("here.z.test", "127.0.0.3", "TLSv")
    assert (here.delivered, here.deferred, here.failed) == (1, 1, 0)
    assert here.reply.code == 450
    assert here.duration_seconds >= 0


async def test_a_route_stands_in_place_of_the_mx(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        dns.set("smart.test", "A", "127.0.0.1")
        one = relay(dns, blobs, 1, allow_private_destinations=False)
        sent = await letter(blobs, "a@y.test")
        for route in (f"smart.test:{sink.port}", f"127.0.0.1:{sink.port}"):
            [outcome] = (await one.deliver(sent, "y.test", ("a@y.test",), route)).outcomes
            assert outcome.verdict is Verdict.DELIVERED
        [outcome] = (await one.deliver(sent, "y.test", ("a@y.test",), "nowhere.test")).outcomes
        await one.close()
    assert outcome.verdict is Verdict.DEFERRED
    assert len(sink.taken) == 2


@pytest.mark.parametrize("greeting", [CLOSE, "554 go away"])
async def test_a_host_that_says_nothing_is_away_and_one_that_refuses_is_not(
    dns: DnsServer, blobs: BlobStore, greeting: str
) -> None:
    with SmtpSink(script={"greeting": greeting}) as sink:
        one = relay(dns, blobs, sink.port)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    assert (delivery.dead_until is not None) == (greeting == CLOSE)


async def test_a_host_that_is_away_is_not_asked_for_each_message(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink(host="127.0.0.3") as sink:
        dns.set("z.test", "MX", "10 away.z.test.")
        dns.set("away.z.test", "A", "127.0.0.2")
        one = relay(dns, blobs, sink.port)
        sent = await letter(blobs, "a@z.test")
        first = await one.deliver(sent, "z.test", ("a@z.test",))
        second = await one.deliver(sent, "z.test", ("a@z.test",))
        assert first.dead_until is not None
        assert second.dead_until == first.dead_until
        assert "not tried before" in second.outcomes[0].reply.text
        one.forget()
        again = await one.deliver(sent, "z.test", ("a@z.test",))
        assert "no connection" in again.outcomes[0].reply.text, "tried, not remembered"
        # Where one of several hosts is there the destination is not away.
        dns.set("x.test", "MX", "10 away.z.test.", "20 here.z.test.")
        dns.set("here.z.test", "A", "127.0.0.3")
        third = await one.deliver(await letter(blobs, "a@x.test"), "x.test", ("a@x.test",))
        await one.close()
    assert third.dead_until is None
    assert third.outcomes[0].verdict is Verdict.DELIVERED
