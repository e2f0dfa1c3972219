"""A host with several addresses: who is silent is joined by the next, and each is tried once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from blobstore import BlobStore
from mta_queue.adapters import race
from mta_queue.adapters.places import Places
from mta_queue.adapters.proxies import WayOut
from mta_queue.adapters.race import NobodyAnswered, first_of
from mta_queue.core.outcome import Verdict

from tests.integration.mta_queue.test_relay import letter, relay
from tests.support.dnsserver import DnsServer, free_port
from tests.support.engines import Engines
from tests.support.sink import CLOSE, SmtpSink

OUT = WayOut()


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.set("y.test", "MX", "10 mx.y.test.")
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


class Net:
    """Connections as a test wants them: each address refuses, is silent, or answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **fates: str) -> None:
        self.fates = {name.replace("_", "."): fate for name, fate in fates.items()}
        self.tried: list[str] = []
        self.cancelled: list[str] = []
        monkeypatch.setattr(race, "connect", self._connect)
        monkeypatch.setattr(race, "HEADSTART_SECONDS", 0.0)

    async def _connect(self, address: str, port: int, out: WayOut) -> tuple[object, object]:
        self.tried.append(address)
        if self.fates[address] == "refuses":
            raise ConnectionRefusedError(111, "refused")
        if self.fates[address] == "silent":
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.append(address)
        return object(), object()


async def test_what_joins_is_as_public_as_what_is_joined(
    dns: DnsServer, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host of one public address and one inside: the second is not connected to beside the first either."""
    monkeypatch.setattr("mta_queue.adapters.relay.is_public", "127.0.0.2".__eq__)
    dns.set("mx.y.test", "A", "127.0.0.2", "127.0.0.1")
    with SmtpSink() as sink:
        one = relay(dns, blobs, sink.port, allow_private_destinations=False)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    assert delivery.outcomes[0].verdict is Verdict.DEFERRED
    assert {each.address for each in delivery.attempts} == {"127.0.0.1", "127.0.0.2"}
    assert sink.sessions == []


async def test_the_next_joins_who_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, a_1="silent", a_2="refuses", a_3="answers", a_4="answers")
    assert (await first_of(["a.1", "a.2", "a.3", "a.4"], 25, OUT)).address == "a.3"
    await asyncio.sleep(0)
    assert net.cancelled == ["a.1"]
    assert "a.3" in net.tried


async def test_who_answers_at_once_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, a_1="answers", a_2="answers")
    monkeypatch.setattr(race, "HEADSTART_SECONDS", 60.0)
    assert (await first_of(["a.1", "a.2"], 25, OUT)).address == "a.1"
    assert net.tried == ["a.1"]


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    Net(monkeypatch, a_1="refuses", a_2="refuses")
    with pytest.raises(NobodyAnswered) as caught:
        await first_of(["a.1", "a.2"], 25, OUT)
    assert set(caught.value.failures) == {"a.1", "a.2"}


async def test_history_names_the_address_that_answered(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink(host="127.0.0.3") as sink:
        dns.set("mx.y.test", "A", "127.0.0.2", "127.0.0.3")
        one = relay(dns, blobs, sink.port)
        sent = await letter(blobs, "a@y.test")
        first = await one.deliver(sent, "y.test", ("a@y.test",))
        again = await one.deliver(sent, "y.test", ("a@y.test",))
        await one.close()
    for each in (first, again):
        assert each.outcomes[0].verdict is Verdict.DELIVERED
        assert [attempt.address for attempt in each.attempts] == ["127.0.0.3"]
    assert len(sink.taken) == 2


async def test_each_address_is_tried_once_and_all_are_away(dns: DnsServer, blobs: BlobStore) -> None:
    dns.set("mx.y.test", "A", "127.0.0.2", "127.0.0.3")
    one = relay(dns, blobs, free_port())
    sent = await letter(blobs, "a@y.test")
    delivery = await one.deliver(sent, "y.test", ("a@y.test",))
    await one.close()
    assert len(delivery.attempts) == 1
    assert delivery.dead_until is not None


async def test_an_address_that_connects_and_says_nothing_is_followed_by_the_next(
    dns: DnsServer, blobs: BlobStore
) -> None:
    with (
        SmtpSink(host="127.0.0.2", script={"greeting": CLOSE}) as bad,
        SmtpSink(host="127.0.0.3", port=bad.port) as good,
    ):
        dns.set("mx.y.test", "A", "127.0.0.2", "127.0.0.3")
        one = relay(dns, blobs, bad.port)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    assert delivery.outcomes[0].verdict is Verdict.DELIVERED
    # DNS gives them in any order.
    assert [attempt.address for attempt in delivery.attempts] in (
        ["127.0.0.2", "127.0.0.3"],
        ["127.0.0.3"],
    )
    assert len(good.taken) == 1


async def test_an_address_inside_is_not_raced_to(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        dns.set("mx.y.test", "A", "127.0.0.1", "10.0.0.1", "192.168.0.1")
        one = relay(dns, blobs, sink.port, allow_private_destinations=False)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
    assert delivery.outcomes[0].verdict is Verdict.DEFERRED
    assert sink.sessions == []


async def test_families_take_turns(dns: DnsServer) -> None:
    from dnslookup import Resolver, parse_servers
    from mta_queue.adapters.places import Place
    from mta_queue.core.way import NO_RULE

    dns.set("mx.y.test", "A", "192.0.2.1", "192.0.2.2")
    dns.set("mx.y.test", "AAAA", "2001:db8::1")
    places = Places(Resolver(parse_servers(dns.address)), None, "us.test", 25)
    found = [each async for each in places.of("y.test", NO_RULE, is_lenient=False) if isinstance(each, Place)]
    assert [":" in each.address for each in found] == [False, True, False]
    assert found[0].others == tuple(each.address for each in found[1:])
    assert replace(found[0], others=()).connection_key == found[0].connection_key
