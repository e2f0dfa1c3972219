"""Looks that find nothing to do: one turn to the database, and nothing that changes is overlooked by them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import pytest
from mta_queue.adapters.changes import Changes
from mta_queue.adapters.hooks import Hooks, Told
from mta_queue.adapters.lanes import Lanes
from mta_queue.adapters.looks import look
from mta_queue.adapters.queue import SqlQueue
from mta_queue.adapters.rules import RuleBook
from mta_queue.core.change import Hold
from mta_queue.core.item_filter import ItemFilter
from mta_queue.core.records import Caller
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, UnderWay
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.webhooks import AT_ONCE, IDLE_SECONDS, Webhooks
from mta_queue.ports import Postponed
from pgkit import OPERATOR, OutsideTenant, Pool, only_within, open_pool, transaction

from tests.support.engines import Engines
from tests.support.queued import letter

SCHEDULE = Schedule(300.0, 3600.0, 432_000.0)
CAPS = Caps(a_destination=5, a_tenant=50)
BOSS = Caller("operator", "192.0.2.1", "")
# What somebody may write to each table that rules are read from, and take away again.
WRITES = {
    "queue_suspension": "INSERT INTO queue_suspension (domain, reason, actor) VALUES ($1, 'r', 'a')",
    "queue_schedule": "INSERT INTO queue_schedule (domain, first_seconds, longest_seconds, expire_seconds, jitter,"
    " warn_seconds) VALUES ($1, 1, 2, 3, 0, 0)",
    "queue_route": "INSERT INTO queue_route (domain, host) VALUES ($1, 'mx.test')",
    "queue_egress": "INSERT INTO queue_egress (pool, address, proxy) VALUES ($1, '', '')",
    "queue_egress_cap": "INSERT INTO queue_egress_cap (address, proxy, attempts_most) VALUES ($1, '', 3)",
    "queue_shape": "INSERT INTO queue_shape (matches, shape) VALUES ($1, '{}')",
    "webhook": "INSERT INTO webhook (tenant_id, url, secret_sealed) VALUES (gen_random_uuid(), $1, '')",
    "suppression": "INSERT INTO suppression (tenant_id, address, cause, detail)"
    " VALUES (gen_random_uuid(), $1, 'manual', '')",
}


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=4)
    async with transaction(pool, OPERATOR) as connection:
        for table in (*WRITES, "queue_item", "queue_lane", "queue_job"):
            await connection.execute(f"DELETE FROM {table}")
    yield pool
    async with transaction(pool, OPERATOR) as connection:
        for table in (*WRITES, "queue_job"):
            await connection.execute(f"DELETE FROM {table}")
    await pool.close()


async def write(pool: Pool, statement: str, *values: object) -> None:
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute(statement, *values)


@pytest.mark.parametrize("table", WRITES)
async def test_whatever_rule_is_written_changed_or_removed_the_stamp_is_another(
    pool: Pool, table: str
) -> None:
    book = RuleBook(pool, SCHEDULE)
    seen = [await book.stamp()]
    assert await book.stamp() == seen[0]
    await write(pool, WRITES[table], "x.test")
    seen.append(await book.stamp())
    if table in ("queue_suspension", "queue_schedule", "queue_route"):
        await write(pool, f"UPDATE {table} SET domain = 'y.test'")
        seen.append(await book.stamp())
    if table == "webhook":
        await write(pool, "UPDATE webhook SET events = ARRAY['bounced']")
        seen.append(await book.stamp())
        await write(pool, "UPDATE webhook SET next_at = now() + interval '1 hour'")
        assert await book.stamp() == seen[-1], "what it is told makes no rule of it"
    assert len(set(seen)) == len(seen)
    await write(pool, f"DELETE FROM {table}")
    assert await book.stamp() == seen[0]


async def test_a_suspension_that_ends_makes_it_another(pool: Pool) -> None:
    book = RuleBook(pool, SCHEDULE)
    before = await book.stamp()
    await write(pool, WRITES["queue_suspension"], "x.test")
    assert await book.stamp() != before
    await write(pool, "UPDATE queue_suspension SET expires_at = now() - interval '1 second'")
    assert await book.stamp() == before


async def test_rules_are_read_when_they_have_changed_and_only_then(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mta_queue.edge.current.FRESH_SECONDS", 0.0)
    book, loads = RuleBook(pool, SCHEDULE), 0

    async def load() -> Rules:
        nonlocal loads
        loads += 1
        return await book.load()

    rules = CurrentRules(load, await load(), book.stamp)
    for _ in range(3):
        await rules.refresh()
    assert loads == 2, "the first was read before anybody looked"
    await write(pool, WRITES["queue_suspension"], "x.test")
    await rules.refresh()
    assert loads == 3
    assert rules.now.suspension_of(str(uuid4()), "x.test", datetime.now(UTC)) is not None


async def test_an_order_that_another_gave_while_they_were_read_is_found_by_the_next_look(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mta_queue.edge.current.FRESH_SECONDS", 0.0)
    book = RuleBook(pool, SCHEDULE)

    async def load() -> Rules:
        found = await book.load()
        await write(pool, WRITES["queue_suspension"] + " ON CONFLICT DO NOTHING", "x.test")
        return found

    rules = CurrentRules(load, await book.load(), book.stamp)
    await rules.refresh()
    assert rules.now.suspensions == {}
    await rules.refresh()
    assert ("", "x.test") in rules.now.suspensions


async def test_a_queue_at_rest_is_looked_at_in_one_turn_and_what_falls_due_is_taken_by_the_next(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes, rules = Lanes(pool), Rules({}, {}, SCHEDULE)
    opened = 0

    def counted(*values: object) -> object:
        nonlocal opened
        opened += 1
        return transaction(*values)  # type: ignore[arg-type]

    monkeypatch.setattr("mta_queue.adapters.lanes.transaction", counted)

    async def take(later: timedelta = timedelta(0)) -> list[str]:
        taken = await lanes.take(5, UnderWay(), CAPS, rules, 60.0, datetime.now(UTC) + later)
        assert taken is not None
        return [item.domain for item in taken.items]

    assert await take() == await take() == await take() == []
    assert opened == 1
    for number in (1, 2):
        address = f"u@d{number}.test"
        spooled, payload = letter(address, tenant_id=str(uuid4()))
        due = datetime.now(UTC) + timedelta(hours=number)
        waits = Postponed(f"d{number}.test", payload, (address,), ("",), 0, due, due, None, "")
        await SqlQueue(pool).record_first(spooled, payload, [], [waits], [])
    # The trigger gave their lanes a turn now; then they have it when they fall due.
    assert await take() == await take() == []
    before = opened
    assert await take(timedelta(minutes=59)) == []
    assert opened == before
    assert await take(timedelta(minutes=61)) == ["d1.test"]
    assert await take(timedelta(minutes=121)) != []


async def test_an_order_is_told_of_by_a_queue_at_rest_too(pool: Pool) -> None:
    lanes, rules = Lanes(pool), Rules({}, {}, SCHEDULE)
    await lanes.take(5, UnderWay(), CAPS, rules, 60.0, datetime.now(UTC))
    before = await lanes.take(5, UnderWay(), CAPS, rules, 60.0, datetime.now(UTC))
    await RuleBook(pool, SCHEDULE).suspend(BOSS, "", "x.test", "because", None)
    after = await lanes.take(5, UnderWay(), CAPS, rules, 60.0, datetime.now(UTC))
    assert before is not None
    assert after is not None
    assert after.last_order > before.last_order


async def test_a_job_that_another_process_left_is_found(pool: Pool) -> None:
    changes = Changes(pool)
    assert await changes.step() is None
    await changes.begin(BOSS, ItemFilter(domain="x.test"), Hold("because", None))
    assert await changes.step() is not None
    assert await changes.step() is None


async def test_nobody_who_acts_for_a_tenant_looks_over_all_of_them(pool: Pool) -> None:
    with only_within(str(uuid4())), pytest.raises(OutsideTenant):
        await look(pool, "SELECT job_waits_1()")


class Listed:
    """Webhooks that wait, each once; one of them asks for nobody else until it was heard."""

    def __init__(self, waiting: int) -> None:
        self.looks = 0
        url = "https://hooks.example.com/"
        self.waiting = [Told(str(uuid4()), str(n), url, b"s", 0, (n,), ("{}",)) for n in range(waiting)]
        self.heard: list[str] = []

    async def claim(self, limit: int, but_of: object = ()) -> Told | None:
        self.looks += 1
        return self.waiting.pop(0) if self.waiting else None

    async def told(self, told: Told) -> None:
        self.heard.append(told.webhook_id)

    async def upkeep(self) -> None:
        return


async def test_one_looks_for_webhooks_that_wait_and_as_many_as_may_are_told_at_once() -> None:
    listed, draining, under_way = Listed(AT_ONCE + 2), asyncio.Event(), asyncio.Semaphore(0)
    go = asyncio.Event()

    async def post(host: str, target: str, body: bytes, headers: list[tuple[str, str]]) -> int:
        under_way.release()
        await go.wait()
        return 204

    running = asyncio.create_task(Webhooks(cast(Hooks, listed), post, draining).run())
    async with asyncio.timeout(IDLE_SECONDS / 2):
        for _ in range(AT_ONCE):
            await under_way.acquire()
        assert listed.looks == AT_ONCE, "nobody looks who has no place"
        go.set()
        # Places that become free are taken at once, not when the next look is due.
        for _ in range(2):
            await under_way.acquire()
    draining.set()
    await running
    assert len(listed.heard) == AT_ONCE + 2
