"""MTA-STS policies: fetched with care, kept for all processes, used as long as they count, fetched anew in time."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import trustme
from dnslookup import Resolver, parse_servers
from mta_queue.adapters.https import Https
from mta_queue.adapters.sts import StsPolicies
from mta_queue.adapters.tls import authorities_context
from mta_queue.adapters.tls_policies import StsFailed
from mta_queue.core.tls import Fault
from pgkit import OPERATOR, Pool, open_pool, transaction
from senderauth.mtasts import StsMode, StsPolicy

from tests.support.certificates import expired, server_context, write_authority
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.https_host import HttpsHost, Page

PATH = "/.well-known/mta-sts.txt"
AUTHORITY = trustme.CA()


def body(mode: str = "enforce", host: str = "mx.y.test", max_age: int = 86_400) -> bytes:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {host}\r\nmax_age: {max_age}\r\n".encode()


class World:
    """A domain of its own, its web server, and processes that ask."""

    def __init__(self, dns: DnsServer, web: HttpsHost, pool: Pool, folder: Path, domain: str) -> None:
        self.dns, self.web, self.pool, self.domain = dns, web, pool, domain
        self.now = datetime.now(UTC)
        self._authority = write_authority(AUTHORITY, folder)
        dns.set(f"mta-sts.{self.domain}", "A", "127.0.0.1")
        self.publish("1", body())

    def publish(self, policy_id: str, policy: bytes) -> None:
        self.dns.txt(f"_mta-sts.{self.domain}", f"v=STSv1; id={policy_id};")
        self.web.pages[PATH] = Page(policy)

    def process(self, *, allow_private: bool = True) -> StsPolicies:
        """One that knows nothing but what is in the table."""
        resolver = Resolver(parse_servers(self.dns.address), deadline_seconds=2.0)
        https = Https(
            resolver,
            authorities_context(self._authority),
            allow_private=allow_private,
            port=self.web.port,
            seconds=3.0,
        )
        return StsPolicies(self.pool, resolver, https, lambda: self.now)

    async def ask(self) -> StsPolicy | StsFailed | None:
        return await self.process().policy_of(self.domain)


@pytest.fixture
def domain() -> str:
    return f"d{uuid4().hex[:12]}.test"


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"))
    async with transaction(opened, OPERATOR) as connection:
        await connection.execute("DELETE FROM sts_policy")
    yield opened
    await opened.close()


@pytest.fixture
def web(domain: str) -> Iterator[HttpsHost]:
    with HttpsHost(server_context(AUTHORITY.issue_cert(f"mta-sts.{domain}"))) as host:
        yield host


@pytest.fixture
def world(web: HttpsHost, pool: Pool, tmp_path: Path, domain: str) -> Iterator[World]:
    with DnsServer() as dns:
        yield World(dns, web, pool, tmp_path, domain)


async def test_a_policy_is_fetched_once_for_all(world: World) -> None:
    policy = StsPolicy(StsMode.ENFORCE, 86_400, ("mx.y.test",))
    one = world.process()
    assert [await one.policy_of(world.domain) for _ in range(3)] == [policy] * 3
    assert await world.ask() == policy
    assert world.web.asked == [f"mta-sts.{world.domain}{PATH}"]


async def test_what_counts_goes_on_counting(world: World) -> None:
    """RFC 8461 §5.1: neither the record nor the web server need be there until max_age is over."""
    await world.ask()
    world.dns.set(f"_mta-sts.{world.domain}", "TXT")
    world.web.pages.clear()
    assert isinstance(await world.ask(), StsPolicy)
    world.dns.txt(f"_mta-sts.{world.domain}", "v=STSv1; id=2;")
    assert isinstance(await world.ask(), StsPolicy), "what cannot be fetched takes nothing away"
    world.dns.set(f"_mta-sts.{world.domain}", "TXT")
    world.now += timedelta(seconds=86_401)
    assert await world.ask() is None


async def test_a_new_id_brings_a_new_policy(world: World) -> None:
    await world.ask()
    world.publish("1", body("none"))
    assert (await world.ask()) == StsPolicy(StsMode.ENFORCE, 86_400, ("mx.y.test",))
    world.publish("2", body("testing", "*.z.test", 600))
    assert (await world.ask()) == StsPolicy(StsMode.TESTING, 600, ("*.z.test",))


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (Page(status=404), Fault.STS_POLICY_FETCH_ERROR),
        (Page(body(), status=301, location="https://elsewhere.test/"), Fault.STS_POLICY_FETCH_ERROR),
        (Page(body(), media_type="text/html"), Fault.STS_POLICY_INVALID),
        (Page(b"version: STSv2\r\n"), Fault.STS_POLICY_INVALID),
        (Page(b"a: b\r\n" * 20_000), Fault.STS_POLICY_FETCH_ERROR),
    ],
    ids=["404", "redirect", "type", "nonsense", "endless"],
)
async def test_what_is_no_policy(world: World, page: Page, fault: Fault) -> None:
    world.web.pages[PATH] = page
    found = await world.ask()
    assert isinstance(found, StsFailed)
    assert found.fault is fault
    await world.ask()
    assert len(world.web.asked) == 1, "not asked again at once"
    world.publish("1", body())
    world.now += timedelta(minutes=6)
    assert isinstance(await world.ask(), StsPolicy)


@pytest.mark.parametrize("certificate", ["other-name", "expired", "stranger"])
async def test_the_web_server_must_show_who_it_is(world: World, certificate: str) -> None:
    name = f"mta-sts.{world.domain}"
    leaf = {
        "other-name": AUTHORITY.issue_cert(world.domain),
        "expired": expired(AUTHORITY, name),
        "stranger": trustme.CA().issue_cert(name),
    }[certificate]
    with HttpsHost(server_context(leaf)) as wrong:
        world.web = wrong
        world.publish("1", body())
        found = await world.ask()
    assert isinstance(found, StsFailed)
    assert found.fault is Fault.STS_WEBPKI_INVALID
    assert wrong.asked == []


async def test_a_policy_host_inside_is_not_asked(world: World) -> None:
    found = await world.process(allow_private=False).policy_of(world.domain)
    assert isinstance(found, StsFailed)
    assert world.web.asked == []


@pytest.mark.parametrize("text", ["v=STSv1; id=a;|v=STSv1; id=b;", "v=STSv1;", "v=STSv2; id=a;", ""])
async def test_without_one_record_there_is_no_policy(world: World, text: str) -> None:
    world.dns.set(f"_mta-sts.{world.domain}", "TXT", *[f'"{each}"' for each in text.split("|")])
    assert await world.ask() is None
    assert world.web.asked == []


async def test_what_is_used_is_fetched_anew_each_day(world: World) -> None:
    await world.ask()
    one = world.process()
    await one.policy_of(world.domain)
    assert await one.refresh() == 0
    world.now += timedelta(hours=25)
    world.web.pages[PATH] = Page(body(max_age=172_800))
    assert await one.refresh() == 1
    assert await world.process().refresh() == 0, "done already"
    world.now += timedelta(hours=24)
    world.dns.set(f"_mta-sts.{world.domain}", "TXT")
    found = await world.ask()
    assert isinstance(found, StsPolicy)
    assert found.max_age_seconds == 172_800
    world.now += timedelta(days=60)
    await world.process().refresh()
    async with transaction(world.pool, OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM sts_policy") == 0


async def test_what_nobody_uses_is_not_fetched_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Domains that had mail once: neither the web server nor the process that remembers them keeps them in use."""
    monkeypatch.setattr("mta_queue.adapters.sts.REMEMBERED_SECONDS", -1.0)
    one = world.process()
    await one.policy_of(world.domain)
    await one.refresh()
    await one.policy_of(world.domain)
    asked = []
    for _ in range(5):
        world.now += timedelta(days=9)
        asked.append(await one.refresh())
        world.web.pages[PATH] = Page(body()) if len(asked) < 2 else Page(status=404)
    # In use on the first of these days, for it was asked for since the refresh before; fetched for thirty days then.
    assert asked == [1, 1, 1, 1, 0]
    async with transaction(world.pool, OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM sts_policy") == 0
