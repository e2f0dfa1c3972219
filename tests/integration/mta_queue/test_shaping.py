"""Limits of a site over several processes, and what replies do to it, on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from dnslookup import Resolver, parse_servers
from mailproto.smtp.reply import Reply
from mta_queue.adapters.rules import RuleBook
from mta_queue.adapters.shapes import ShapeBook
from mta_queue.adapters.shaping import Shaping
from mta_queue.core.attempt import Attempt
from mta_queue.core.records import Caller, Missing
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.shaping import OPEN, Action, NotNow, Reaction, Shape
from pgkit import OPERATOR, Pool, open_pool, transaction

from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines

BOSS = Caller("operator", "192.0.2.1", "")
SCHEDULE = Schedule(300.0, 3600.0, 432_000.0)


class Site:
    """Two processes and the operator, with a site of this test's own that serves three domains."""

    def __init__(self, pool: Pool, dns: DnsServer) -> None:
        self.pool = pool
        self.name = f"s{uuid4().hex[:12]}.test"
        self.domains = [f"d{number}.{self.name}" for number in range(3)]
        for domain in self.domains:
            dns.set(domain, "MX", f"10 mx1.{self.name}.", f"10 mx2.{self.name}.")
        self.resolver = Resolver(parse_servers(dns.address))
        self.book = RuleBook(pool, SCHEDULE)
        self.shapes = ShapeBook(pool)
        self.one, self.two = (Shaping(pool, self.resolver, keep_seconds=0.02) for _ in range(2))

    async def shape(self, shape: Shape, tenant_id: str = "") -> None:
        await self.shapes.set(BOSS, tenant_id, f"mx:{self.name}", shape)

    async def rules(self) -> Rules:
        return await self.book.load()

    async def used(self) -> int:
        async with transaction(self.pool, OPERATOR) as connection:
            return int(
                await connection.fetchval(
                    "SELECT coalesce(sum(connections), 0) FROM queue_site_use WHERE site = $1",
                    f"mx:{self.name}",
                )
            )

    async def until_used(self, count: int) -> None:
        async with asyncio.timeout(10):
            while await self.used() != count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
async def site(engines: Engines, dns: DnsServer) -> AsyncIterator[Site]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=4)
    made = Site(pool, dns)
    yield made
    await made.one.close()
    await made.two.close()
    for scope, rules in (await made.rules()).shapes.rules.items():
        for matches in rules:
            await made.shapes.delete(BOSS, scope, matches)
    await pool.close()


def said(code: int, enhanced: str, text: str, host: str = "mx1") -> Attempt:
    return Attempt("d", datetime.now(UTC), 0.1, host, "", "", Reply.of(code, enhanced, text), 0, 1, 0)


async def test_without_rules_nothing_is_asked(site: Site) -> None:
    assert await site.one.enter(Rules({}, {}, SCHEDULE), "", "no-such-domain.test") is OPEN


async def test_connections_are_counted_over_processes_and_domains(site: Site) -> None:
    await site.shape(Shape(connections=2, messages_a_connection=7))
    rules = await site.rules()
    first = await site.one.enter(rules, "", site.domains[0])
    second = await site.two.enter(rules, "", site.domains[1])
    assert first.messages_a_connection == 7
    assert first.limited_site == second.limited_site != ""
    for shaping in (site.one, site.two):
        with pytest.raises(NotNow):
            await shaping.enter(rules, "", site.domains[2])
    assert site.one.narrower[site.domains[0]] == 2
    # The permit stays as long as its connection may be kept for another message: to this process it is free at once.
    site.one.leave(first)
    with pytest.raises(NotNow):
        await site.two.enter(rules, "", site.domains[2])
    third = await site.one.enter(rules, "", site.domains[2])
    assert await site.used() == 2
    site.one.leave(third)
    site.two.leave(second)
    await site.until_used(0)


async def test_many_that_begin_at_once_get_no_more_than_there_are(site: Site) -> None:
    await site.shape(Shape(connections=5))
    rules = await site.rules()
    tries = [each.enter(rules, "", domain) for each in (site.one, site.two) for domain in site.domains * 4]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in results) == 5
    assert all(isinstance(each, NotNow) for each in results if isinstance(each, BaseException))


async def test_what_a_process_that_died_had_is_free_again(site: Site) -> None:
    await site.shape(Shape(connections=1))
    rules = await site.rules()
    await site.one.enter(rules, "", site.domains[0])
    with pytest.raises(NotNow):
        await site.two.enter(rules, "", site.domains[0])
    async with transaction(site.pool, OPERATOR) as connection:
        await connection.execute(
            "UPDATE queue_site_use SET until = now() - interval '1 s' WHERE site = $1", f"mx:{site.name}"
        )
    await site.two.enter(rules, "", site.domains[0])
    # One that only seemed dead says that it is there; then there are two, and no third.
    await site.one.renew()
    assert await site.used() == 2


async def test_no_more_messages_in_a_minute_than_the_rule_says(site: Site) -> None:
    await site.shape(Shape(messages_a_minute=30))
    rules = await site.rules()
    for _ in range(3):
        site.one.leave(await site.one.enter(rules, "", site.domains[0]))
    with pytest.raises(NotNow) as refused:
        await site.two.enter(rules, "", site.domains[1])
    # 27 more at an even pace in the rest of the minute.
    assert timedelta(seconds=0.5) < refused.value.until - datetime.now(UTC) < timedelta(seconds=3)
    async with transaction(site.pool, OPERATOR) as connection:
        moved = "UPDATE queue_site_rate SET free_at = free_at - interval '2.3 s' WHERE site = $1"
        await connection.execute(moved, f"mx:{site.name}")
    await site.two.enter(rules, "", site.domains[1])
    with pytest.raises(NotNow):
        await site.two.enter(rules, "", site.domains[1])


async def test_a_rate_that_refuses_takes_no_connection(site: Site) -> None:
    await site.shape(Shape(connections=5, messages_a_minute=1, messages_an_hour=100))
    rules = await site.rules()
    await site.one.enter(rules, "", site.domains[0])
    for _ in range(3):
        with pytest.raises(NotNow):
            await site.one.enter(rules, "", site.domains[0])
    assert await site.used() == 1


async def test_a_tenants_rule_is_counted_by_itself(site: Site) -> None:
    tenant = str(uuid4())
    await site.shape(Shape(connections=1))
    await site.shape(Shape(connections=2), tenant)
    rules = await site.rules()
    await site.one.enter(rules, "", site.domains[0])
    for _ in range(2):
        await site.one.enter(rules, tenant, site.domains[0])
    for who in ("", tenant):
        with pytest.raises(NotNow):
            await site.one.enter(rules, who, site.domains[0])


async def test_a_reply_stops_the_whole_site_until_it_is_lifted(site: Site) -> None:
    await site.shape(Shape(reactions=(Reaction("blocked", Action.SUSPEND, 3600),)))
    rules = await site.rules()
    passage = await site.one.enter(rules, "", site.domains[0])
    answer = said(451, "4.3.2", "mx1 said 554 Your address is BLOCKED")
    assert await site.one.heard(passage, site.domains[0], "", [answer])
    # Others that hear it at the same time add nothing.
    assert not await site.two.heard(passage, site.domains[0], "", [answer])
    [stop] = [each for each in await site.book.suspensions(BOSS) if each.domain == f"mx:{site.name}"]
    assert stop.actor == "shaping"
    assert "BLOCKED" in stop.reason
    rules = await site.rules()
    with pytest.raises(NotNow):
        await site.two.enter(rules, "", site.domains[2])
    await site.book.resume(BOSS, "", f"mx:{site.name}")
    await site.two.enter(await site.rules(), "", site.domains[2])


async def test_a_pause_doubles_when_the_reply_comes_again(site: Site) -> None:
    await site.shape(Shape(reactions=(Reaction(r"^421", Action.BACK_OFF, 300),)))
    passage = await site.one.enter(await site.rules(), "", site.domains[0])
    lasted: list[float] = []
    for _ in range(6):
        assert await site.one.heard(passage, site.domains[0], "", [said(421, "4.7.0", "Slow down")])
        [stop] = [each for each in await site.book.suspensions(BOSS) if each.domain == f"mx:{site.name}"]
        assert stop.expires_at is not None
        lasted.append((stop.expires_at - stop.created_at).total_seconds())
        async with transaction(site.pool, OPERATOR) as connection:
            await connection.execute(
                """UPDATE queue_suspension SET created_at = now() - (expires_at - created_at) - interval '1 s',
                   expires_at = now() - interval '1 s' WHERE domain = $1""",
                f"mx:{site.name}",
            )
    assert [round(each) for each in lasted] == [300, 600, 1200, 2400, 3600, 3600]


async def test_without_rules_a_421_about_policy_makes_a_pause(site: Site) -> None:
    hosts = f"hosts:mx1.{site.name},mx2.{site.name}"
    greylisted = said(451, "4.7.1", "Greylisted")
    assert not await site.one.heard(OPEN, site.domains[0], "", [greylisted])
    assert await site.one.heard(OPEN, site.domains[0], "", [said(421, "4.7.0", "Too fast")])
    with pytest.raises(NotNow):
        await site.two.enter(await site.rules(), "", site.domains[1])
    await site.book.resume(BOSS, "", hosts)
    with pytest.raises(Missing):
        await site.book.resume(BOSS, "", hosts)


async def test_a_permit_of_a_rule_that_counts_connections_no_more_is_given_back(site: Site) -> None:
    """Else it would count against the next such rule as long as the process lives."""
    shaping = Shaping(site.pool, site.resolver, keep_seconds=0.3)
    await site.shape(Shape(connections=1))
    counted = await site.rules()
    await site.shape(Shape(messages_a_minute=30))
    paced = await site.rules()
    shaping.leave(await shaping.enter(counted, "", site.domains[0]))
    shaping.leave(await shaping.enter(paced, "", site.domains[0]))
    await site.until_used(0)
    assert not shaping._held
    await shaping.enter(counted, "", site.domains[0])
    await shaping.close()
