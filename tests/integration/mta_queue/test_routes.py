"""Rules for where and how mail goes: as rows, as the operator sets them, and at the host that they name."""

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import trustme
from blobstore import BlobStore
from dnslookup import Resolver, parse_servers
from mta_queue.adapters.relay import Relay
from mta_queue.adapters.routes import NewRule, RouteBook, load_ways, login_of
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.records import Caller, Missing
from mta_queue.core.route import RouteInvalid
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.tls import Minimum
from mta_queue.core.way import Protocol
from mta_queue.settings import Settings
from pgkit import OPERATOR, Pool, open_pool, transaction
from servicekit.sealing import Sealer

from tests.integration.mta_queue.test_relay import letter
from tests.support.certificates import server_context, write_authority
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import CLOSE, Answer, SmtpSink

SEALER = Sealer(["a-secret-of-this-test-only"], "passwords at rest")
WHO = Caller("operator", "127.0.0.1", "")
AUTHORITY = trustme.CA()
SMART = AUTHORITY.issue_cert("smart.test")
AUTH_HELLO = "250-smart.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN"


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"))
    async with transaction(opened, OPERATOR) as connection:
        await connection.execute("DELETE FROM queue_route")
    yield opened
    async with transaction(opened, OPERATOR) as connection:
        await connection.execute("DELETE FROM queue_route")
    await opened.close()


@pytest.fixture
def book(pool: Pool) -> RouteBook:
    return RouteBook(pool, SEALER)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.set("smart.test", "A", "127.0.0.1")
        yield server


def rule(
    *,
    tenant_id: str = "",
    domain: str = "",
    host: str = "",
    protocol: Protocol = Protocol.SMTP,
    username: str = "",
    password: str = "",
    minimum: Minimum | None = None,
) -> NewRule:
    return NewRule(tenant_id, domain, host, protocol, username, password, minimum)


async def rules(pool: Pool) -> Rules:
    async with transaction(pool, OPERATOR) as connection:
        ways = await load_ways(connection)
    return Rules({}, {}, Schedule(300.0, 3600.0, 432_000.0), ways=ways)


class World:
    def __init__(self, dns: DnsServer, blobs: BlobStore, pool: Pool, folder: Path) -> None:
        self._dns, self._blobs, self._pool = dns, blobs, pool
        self._authority = write_authority(AUTHORITY, folder)

    async def send(self, domain: str, *, sealer: Sealer | None = SEALER, count: int = 1) -> list[Outcome]:
        known = await rules(self._pool)
        settings = Settings(
            s3_access_key_file=Path("/none"),
            s3_secret_key_file=Path("/none"),
            database_dsn_file=Path("/none"),
            tls_authorities_file=self._authority,
            reply_seconds=2.0,
        )
        relay = Relay(
            settings,
            Resolver(parse_servers(self._dns.address)),
            self._blobs,
            way_of=known.way_of,
            login_of=login_of(sealer),
        )
        recipients = tuple(f"u{number}@{domain}" for number in range(count))
        sent, outcomes = await letter(self._blobs, *recipients), []
        while recipients:
            delivery = await relay.deliver(sent, domain, recipients)
            outcomes += delivery.outcomes
            recipients = delivery.rest
        await relay.close()
        return outcomes


@pytest.fixture
def world(dns: DnsServer, engines: Engines, pool: Pool, tmp_path: Path) -> World:
    return World(dns, engines.seaweed.store(), pool, tmp_path)


async def test_the_nearest_that_says_something_counts(book: RouteBook, pool: Pool) -> None:
    tenant = str(uuid4())
    await book.set(WHO, rule(minimum=Minimum.ENCRYPTED))
    await book.set(WHO, rule(domain="Bank.Test", minimum=Minimum.VERIFIED))
    await book.set(WHO, rule(tenant_id=tenant, host="smart.test:587"))
    await book.set(WHO, rule(tenant_id=tenant, domain="own.test", host="[::1]:24", protocol=Protocol.LMTP))
    known = await rules(pool)
    ours = known.way_of(tenant, "bank.test")
    assert ours.route is not None
    assert (ours.route.host, ours.route.port, ours.minimum) == ("smart.test", 587, Minimum.VERIFIED)
    assert known.way_of(tenant, "own.test").protocol is Protocol.LMTP
    assert known.way_of(str(uuid4()), "bank.test").route is None
    assert known.way_of(str(uuid4()), "other.test").minimum is Minimum.ENCRYPTED
    await book.delete(WHO, "", "bank.test")
    assert (await rules(pool)).way_of(tenant, "bank.test").minimum is Minimum.ENCRYPTED
    with pytest.raises(Missing):
        await book.delete(WHO, "", "bank.test")


async def test_a_password_is_kept_sealed_and_for_its_host_only(book: RouteBook, pool: Pool) -> None:
    await book.set(WHO, rule(host="smart.test", username="u", password="secret words"))
    async with transaction(pool, OPERATOR) as connection:
        row = await connection.fetchrow("SELECT queue_route::text AS all FROM queue_route")
    assert row is not None
    assert "secret words" not in row["all"]
    assert b"secret words".hex() not in row["all"]
    await book.set(WHO, rule(host="smart.test", username="u", minimum=Minimum.ENCRYPTED))
    [kept] = (await rules(pool)).ways.values()
    login = login_of(SEALER)(kept)
    assert login is not None
    assert login.password == "secret words"
    assert "secret words" not in repr(login) + repr(kept)
    with pytest.raises(FilterInvalid):
        await book.set(WHO, rule(host="elsewhere.test", username="u"))
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute("UPDATE queue_route SET host = 'elsewhere.test'")
    [moved] = (await rules(pool)).ways.values()
    assert login_of(SEALER)(moved) is None, "a row that was changed by hand gets no password"


@pytest.mark.parametrize(
    "wrong",
    [
        rule(),
        rule(username="u", password="p"),
        rule(host="smart.test", password="p"),
        rule(host="smart.test", username="u"),
        rule(host="not a host"),
        rule(host="smart.test", username="u\r\nx", password="p"),
        rule(protocol=Protocol.LMTP, minimum=Minimum.ENCRYPTED),
        rule(tenant_id="no uuid", host="smart.test"),
    ],
)
async def test_what_is_no_rule(book: RouteBook, wrong: NewRule) -> None:
    with pytest.raises((FilterInvalid, RouteInvalid)):
        await book.set(WHO, wrong)


async def test_a_tenant_sees_and_sets_its_own(book: RouteBook, pool: Pool) -> None:
    tenant = str(uuid4())
    own = Caller("admin", "", tenant)
    await book.set(WHO, rule(minimum=Minimum.ENCRYPTED))
    await book.set(own, rule(domain="y.test", minimum=Minimum.VERIFIED))
    assert list(await book.listing(own)) == [(tenant, "y.test")]
    with pytest.raises(FilterInvalid):
        await book.set(own, rule(host="127.0.0.1:25"))
    with pytest.raises(Missing):
        await book.delete(Caller("other", "", str(uuid4())), "", "y.test")


async def test_a_smarthost_is_told_who_we_are(world: World, book: RouteBook) -> None:
    script: dict[str, Answer] = {"AUTH": "235 2.7.0 welcome"}
    with SmtpSink(script=script, tls=server_context(SMART)) as sink:
        sink.hello_extensions = ("AUTH PLAIN LOGIN",)
        await book.set(
            WHO, rule(domain="y.test", host=f"smart.test:{sink.port}", username="me", password="pw")
        )
        [outcome] = await world.send("y.test")
    assert (outcome.verdict, outcome.host) == (Verdict.DELIVERED, "smart.test")
    assert sink.taken[0].over_tls
    assert "AUTH PLAIN " + b64encode(b"\0me\0pw").decode() in sink.sessions[0]


@pytest.mark.parametrize("case", ["clear", "stranger", "refused", "not-offered", "unopened"])
async def test_the_password_stays_with_us_and_the_message_waits(
    world: World, book: RouteBook, case: str
) -> None:
    leaf = {"clear": None, "stranger": trustme.CA().issue_cert("smart.test")}.get(case, SMART)
    script = {"AUTH": "535 5.7.8 no"} if case == "refused" else {}
    with SmtpSink(script=dict(script), tls=server_context(leaf) if leaf else None) as sink:
        sink.hello_extensions = () if case == "not-offered" else ("AUTH PLAIN",)
        await book.set(
            WHO,
            rule(
                host=f"smart.test:{sink.port}",
                username="me",
                password="pw",
                minimum=Minimum.OPPORTUNISTIC if case == "clear" else None,
            ),
        )
        [outcome] = await world.send("y.test", sealer=None if case == "unopened" else SEALER)
    assert outcome.verdict is Verdict.DEFERRED
    assert sink.taken == []
    if case != "refused":
        assert not any(line.startswith("AUTH") for session in sink.sessions for line in session)


async def test_lmtp_tells_of_each_recipient(world: World, book: RouteBook) -> None:
    script = {"content": ["250 2.1.5 filed", "452 4.2.2 full", "550 5.2.1 gone"]}
    with SmtpSink(script=dict(script)) as sink:
        await book.set(WHO, rule(domain="y.test", host=f"127.0.0.1:{sink.port}", protocol=Protocol.LMTP))
        outcomes = await world.send("y.test", count=3)
        # 452 after others were taken: the rest goes at once, as one more transaction.
    assert {each.address[:2]: each.verdict for each in outcomes} == {
        "u0": Verdict.DELIVERED,
        "u1": Verdict.FAILED,
        "u2": Verdict.FAILED,
    }
    assert sink.sessions[0][0].startswith("LHLO")


@pytest.mark.parametrize("end", [CLOSE, "nonsense"])
async def test_lmtp_that_breaks_between_its_answers_has_told_some(
    world: World, book: RouteBook, end: str
) -> None:
    """Who has his mail does not get it again because the next one's answer never came."""
    with SmtpSink(script={"content": ["250 2.1.5 filed", "550 5.2.1 gone", end]}) as sink:
        await book.set(WHO, rule(domain="y.test", host=f"127.0.0.1:{sink.port}", protocol=Protocol.LMTP))
        outcomes = await world.send("y.test", count=3)
    assert [each.verdict for each in outcomes] == [Verdict.DELIVERED, Verdict.FAILED, Verdict.DEFERRED]
    assert len(sink.sessions) == 1
