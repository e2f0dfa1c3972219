"""Where connections come from: addresses of ours, proxies, pools by route, and how much of a warm-up is left."""

import contextlib
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from blobstore import BlobStore
from dnslookup import Resolver, parse_servers
from mta_queue.adapters import egress as egress_module
from mta_queue.adapters.egress import Egress, EgressBook, NoSource, SourcesBusy, load_sources
from mta_queue.adapters.relay import Relay
from mta_queue.core.attempt import Delivery
from mta_queue.core.egress import Source, SourceInvalid
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.outcome import Verdict
from mta_queue.core.records import Caller, Missing
from mta_queue.core.shaping import NotNow
from mta_queue.core.way import Way
from mta_queue.settings import Settings
from pgkit import OPERATOR, Pool, open_pool, transaction
from servicekit.sealing import Sealer

from tests.integration.mta_queue.test_relay import letter
from tests.support.dnsserver import DnsServer, free_port
from tests.support.engines import Engines
from tests.support.proxies import HaProxy, Socks5
from tests.support.sink import SmtpSink

SEALER = Sealer(["a-secret-of-this-test-only"], "passwords at rest")
WHO = Caller("operator", "127.0.0.1", "")


class PeerSink(SmtpSink):
    """Remembers who came."""

    def _serve(self, sock: socket.socket) -> None:
        self.peers.append(sock.getpeername()[0])
        super()._serve(sock)

    def __post_init__(self) -> None:
        self.peers: list[str] = []
        super().__post_init__()


class World:
    def __init__(self, pool: Pool, dns: DnsServer, blobs: BlobStore) -> None:
        self.pool, self._dns, self._blobs = pool, dns, blobs
        self.book = EgressBook(pool, SEALER)
        self.now = datetime.now(UTC)

    async def egress(self) -> Egress:
        async with transaction(self.pool, OPERATOR) as connection:
            sources = await load_sources(connection)
        return Egress(self.pool, lambda: sources, SEALER, random.Random(1), lambda: self.now)

    async def send(self, sink: SmtpSink, pool: str = "out", *more: str) -> Delivery:
        """By this pool, then by more of them; what the last one came to."""
        pools = [pool, *more]
        settings = Settings(
            s3_access_key_file=Path("/none"),
            s3_secret_key_file=Path("/none"),
            database_dsn_file=Path("/none"),
            hostname="us.test",
            smtp_port=sink.port,
            allow_private_destinations=True,
            reply_seconds=2.0,
            connect_seconds=2.0,
        )
        relay = Relay(
            settings,
            Resolver(parse_servers(self._dns.address)),
            self._blobs,
            way_of=lambda tenant_id, domain: Way(egress=pools[0]),
            egress=(egress := await self.egress()),
        )
        try:
            sent = await letter(self._blobs, "a@y.test")
            while True:
                delivery = await relay.deliver(sent, "y.test", ("a@y.test",))
                if len(pools) == 1:
                    return delivery
                pools.pop(0)
        finally:
            await relay.close()
            await egress.close()


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"))
    async with transaction(opened, OPERATOR) as connection:
        for table in ("queue_egress", "queue_egress_use", "queue_egress_cap", "queue_site_use"):
            await connection.execute(f"DELETE FROM {table}")
    yield opened
    async with transaction(opened, OPERATOR) as connection:
        await connection.execute("DELETE FROM queue_egress")
    await opened.close()


@pytest.fixture
def world(pool: Pool, engines: Engines) -> Iterator[World]:
    with DnsServer() as dns:
        dns.mx("y.test", "mx.y.test")
        yield World(pool, dns, engines.seaweed.store())


async def test_from_an_address_of_the_pool_in_its_name(world: World) -> None:
    await world.book.set(WHO, Source("out", "127.0.0.9", hello="nine.test"), "")
    with PeerSink() as sink:
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DELIVERED
        assert (await world.send(sink, "")).outcomes[0].verdict is Verdict.DELIVERED
    assert sink.peers[0] == "127.0.0.9"
    assert sink.peers[1] == "127.0.0.1"
    assert [session[0] for session in sink.sessions] == ["EHLO nine.test", "EHLO us.test"]


async def test_through_socks5_with_a_password(world: World) -> None:
    with PeerSink() as sink, Socks5((b"me", b"pw")) as proxy:
        url = f"socks5://127.0.0.1:{proxy.port}"
        await world.book.set(WHO, Source("out", proxy=url, username="me"), "pw")
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DELIVERED
        assert proxy.asked == [("", "127.0.0.1", sink.port)]
        await world.book.set(WHO, Source("out", proxy=url, username="me", weight=5), "")
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DELIVERED, "the password is kept"
    async with transaction(world.pool, OPERATOR) as connection:
        row = await connection.fetchval("SELECT queue_egress::text FROM queue_egress")
    assert b"pw".hex() not in row.partition("me,")[2].partition(",")[0]


async def test_through_haproxy_from_the_address_that_it_is_told(world: World) -> None:
    with PeerSink() as sink, HaProxy() as proxy:
        await world.book.set(WHO, Source("out", "127.0.0.9", f"haproxy://127.0.0.1:{proxy.port}"), "")
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DELIVERED
    assert proxy.asked == [("127.0.0.9", "127.0.0.1", sink.port)]
    assert sink.peers == ["127.0.0.9"]


@pytest.mark.parametrize("case", ["away", "refuses", "wrong-password"])
async def test_a_proxy_that_does_not_help_says_nothing_of_the_destination(world: World, case: str) -> None:
    login = (b"me", b"right") if case == "wrong-password" else None
    with PeerSink() as sink, Socks5(login, status=5) as proxy:
        port = free_port() if case == "away" else proxy.port
        source = Source("out", proxy=f"socks5://127.0.0.1:{port}", username="me" if login else "")
        await world.book.set(WHO, source, "wrong" if login else "")
        delivery = await world.send(sink)
    assert delivery.outcomes[0].verdict is Verdict.DEFERRED
    assert "proxy" in delivery.outcomes[0].reply.text
    assert delivery.dead_until is None
    assert sink.peers == []


async def test_a_pool_that_is_not_there_holds_its_mail(world: World) -> None:
    with PeerSink() as sink:
        delivery = await world.send(sink, "nowhere")
        await world.book.set(WHO, Source("six", "::1"), "")
        other = await world.send(sink, "six")
    for each in (delivery, other):
        assert each.outcomes[0].verdict is Verdict.DEFERRED
        assert "no source that reaches" in each.outcomes[0].reply.text
    assert sink.peers == []


async def test_a_warm_up_doubles_each_day_over_all_processes(world: World) -> None:
    await world.book.set(WHO, Source("out", "127.0.0.9", warmup_first=2), "")

    async def sent_today() -> int:
        count = 0
        one, two = await world.egress(), await world.egress()
        while count < 100:
            try:
                await (one, two)[count % 2].choose("out", "127.0.0.1")
            except NoSource:
                return count
            count += 1
        return count

    counts = [await sent_today()]
    for _ in range(2):
        world.now += timedelta(days=1)
        counts.append(await sent_today())
    assert counts == [2, 4, 8]
    world.now += timedelta(days=30)
    assert await sent_today() == 100, "warm"


async def test_what_a_cold_source_may_not_send_another_sends(world: World) -> None:
    await world.book.set(WHO, Source("out", "127.0.0.9", weight=1000, warmup_first=1), "")
    await world.book.set(WHO, Source("out", "127.0.0.8", weight=1), "")
    egress = await world.egress()
    chosen = [await egress.choose("out", "127.0.0.1") for _ in range(20)]
    counted = Counter(each.address for each in chosen if each is not None)
    assert counted == {"127.0.0.9": 1, "127.0.0.8": 19}
    listed = {each.source.address: each.messages for each in await world.book.listing(WHO)}
    assert listed == {"127.0.0.9": 1, "127.0.0.8": 0}


async def test_no_more_attempts_use_a_source_at_once_than_it_may_have_over_all_processes(
    world: World,
) -> None:
    await world.book.set(WHO, Source("out", "127.0.0.9", attempts_most=3), "")
    await world.book.set(WHO, Source("other", "127.0.0.9", attempts_most=3), "")
    one, two = await world.egress(), await world.egress()
    chosen = [
        await one.choose("out", "127.0.0.1"),
        await two.choose("out", "127.0.0.1"),
        # Whichever pools it is in.
        await two.choose("other", "127.0.0.1"),
    ]
    for each in (one, two):
        with pytest.raises(SourcesBusy):
            await each.choose("out", "127.0.0.1")
    [source, *_] = chosen
    assert source is not None
    one.done(source)
    await one.close()
    assert await two.choose("out", "127.0.0.1") == source
    await two.close()
    [listed, _] = await world.book.listing(WHO)
    assert listed.source.attempts_most == 3
    # Where another source of the pool has room, that is used.
    await world.book.set(WHO, Source("out", "127.0.0.8"), "")
    await world.book.set(WHO, Source("out", "127.0.0.9", attempts_most=1, weight=1000), "")
    egress = await world.egress()
    found = [await egress.choose("out", "127.0.0.1") for _ in range(5)]
    assert Counter(each.address for each in found if each is not None) == {"127.0.0.9": 1, "127.0.0.8": 4}
    await egress.close()
    await world.book.set(WHO, Source("out", "127.0.0.9"), "")
    assert {each.source.attempts_most for each in await world.book.listing(WHO)} == {0}


async def test_a_source_that_is_not_used_in_the_end_is_free_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.book.set(WHO, Source("out", "127.0.0.9", attempts_most=1, warmup_first=5), "")
    one, two = await world.egress(), await world.egress()
    with monkeypatch.context() as broken:
        broken.setattr(egress_module, "TAKE", "SELECT 1 / ($4::int - $4::int), $1::text, $2::text, $3::date")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await one.choose("out", "127.0.0.1")
    found = None
    for _ in range(100):
        with contextlib.suppress(SourcesBusy):
            found = await two.choose("out", "127.0.0.1")
            break
    assert found is not None
    for each in (one, two):
        await each.close()


async def test_mail_waits_untried_while_its_source_has_all_that_it_may(world: World) -> None:
    await world.book.set(WHO, Source("out", "127.0.0.9", attempts_most=1), "")
    with PeerSink() as sink:
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DELIVERED
        egress = await world.egress()
        source = await egress.choose("out", "127.0.0.1")
        assert source is not None
        with pytest.raises(NotNow):
            await world.send(sink)
        egress.done(source)
        await egress.close()
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DELIVERED
    assert len(sink.peers) == 2


async def test_sources_are_drawn_by_weight(world: World) -> None:
    for address, weight in (("127.0.0.7", 0), ("127.0.0.8", 1), ("127.0.0.9", 3)):
        await world.book.set(WHO, Source("out", address, weight=weight), "")
    egress = await world.egress()
    chosen = [await egress.choose("out", "127.0.0.1") for _ in range(400)]
    counted = Counter(each.address for each in chosen if each is not None)
    assert counted["127.0.0.7"] == 0
    assert 2 < counted["127.0.0.9"] / counted["127.0.0.8"] < 4.5


@pytest.mark.parametrize(
    "wrong",
    [
        Source("", "127.0.0.1"),
        Source("out", "not an address"),
        Source("out", proxy="http://127.0.0.1:1"),
        Source("out", proxy="socks5://127.0.0.1"),
        Source("out", proxy="socks5://u:p@127.0.0.1:1"),
        Source("out", proxy="haproxy://127.0.0.1:1"),
        Source("out", "127.0.0.1", username="u"),
        Source("out", proxy="socks5://127.0.0.1:1", username="u"),
        Source("out", "127.0.0.1", weight=-1),
        Source("out", "127.0.0.1", attempts_most=-1),
    ],
)
async def test_what_is_no_source(world: World, wrong: Source) -> None:
    with pytest.raises((SourceInvalid, FilterInvalid)):
        await world.book.set(WHO, wrong, "")


async def test_sources_are_the_operators(world: World) -> None:
    tenant = Caller("a", "", "00000000-0000-4000-8000-000000000001")
    with pytest.raises(FilterInvalid):
        await world.book.set(tenant, Source("out", "127.0.0.1"), "")
    with pytest.raises(FilterInvalid):
        await world.book.listing(tenant)
    with pytest.raises(Missing):
        await world.book.delete(WHO, "out", "127.0.0.1", "")


def test_the_days_of_a_warm_up() -> None:
    source = Source("out", warmup_first=50, warmup_began=date(2026, 11, 20))
    assert [source.limit_on(date(2026, 11, day)) for day in (19, 20, 21, 30)] == [50, 50, 100, 51_200]
    assert source.limit_on(date(2026, 12, 10)) is None


async def test_a_source_that_reaches_nobody_makes_no_host_dead_for_others(world: World) -> None:
    # Not an address of this machine: as one whose way out is cut, or that a host drops.
    await world.book.set(WHO, Source("cut-off", "192.0.2.77"), "")
    with PeerSink() as sink:
        assert (await world.send(sink, "cut-off")).dead_until is not None
        assert (await world.send(sink, "cut-off", "")).outcomes[0].verdict is Verdict.DELIVERED
        again = await world.send(sink, "cut-off", "cut-off")
    assert "not tried before" in again.outcomes[0].reply.text
    assert sink.peers == ["127.0.0.1"]
