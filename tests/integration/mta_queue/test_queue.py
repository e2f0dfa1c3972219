"""What waits, in PostgreSQL: leases, fencing, notices that are due, walls between tenants."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from mailproto.smtp.reply import Reply
from mta_queue.adapters.lanes import Lanes
from mta_queue.adapters.queue import SqlQueue
from mta_queue.core.attempt import Attempt
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, UnderWay
from mta_queue.ports import Delayed, Item, Part, Postponed, PutOff, TakenOver
from mta_queue.tables import metadata
from pgkit import OPERATOR, Pool, open_pool, transaction
from spool import SpooledLetter

from tests.support.engines import Engines
from tests.support.queued import letter

NOW = datetime.now(UTC)
LATER = Reply.of(451, "4.3.0", "later")


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"), max_size=8)
    yield opened
    await opened.close()


@pytest.fixture
def queue(pool: Pool) -> SqlQueue:
    return SqlQueue(pool)


def soon() -> datetime:
    """After what was written before."""
    return datetime.now(UTC) + timedelta(milliseconds=1)


async def lease_due(pool: Pool, now: datetime) -> list[Item]:
    """Everything that is due, whoever's."""
    lanes, found = Lanes(pool), []
    rules, caps = Rules({}, {}, Schedule(300.0, 3600.0, 432_000.0)), Caps(10**6, 10**6)
    while (taken := await lanes.take(10**6, UnderWay(), caps, rules, 60.0, now)) is None or taken.items:
        found += taken.items if taken is not None else []
    return found


async def postpone(queue: SqlQueue, *recipients: str, due: datetime = NOW) -> SpooledLetter:
    spooled, payload = letter(*recipients)
    await queue.record_first(
        spooled,
        payload,
        [],
        [
            Postponed(
                "y.test",
                payload,
                recipients,
                ("451 later",) * len(recipients),
                1,
                due,
                NOW + timedelta(days=5),
                None,
                "mx",
            )
        ],
        [],
    )
    return spooled


async def test_an_item_is_leased_once_and_again_when_the_lease_runs_out(queue: SqlQueue, pool: Pool) -> None:
    spooled = await postpone(queue, "a@y.test")
    now = soon()

    async def lease(now: datetime) -> list[str]:
        return [i.letter.envelope.queue_id for i in await lease_due(pool, now)]

    taken = await asyncio.gather(*(lease(now) for _ in range(8)))
    assert sum(ids.count(spooled.envelope.queue_id) for ids in taken) == 1
    assert spooled.envelope.queue_id not in await lease(now + timedelta(seconds=59))
    assert spooled.envelope.queue_id in await lease(now + timedelta(seconds=61))


async def test_a_result_under_a_lost_lease_changes_nothing(queue: SqlQueue, pool: Pool) -> None:
    spooled = await postpone(queue, "a@y.test")

    def mine(items: list[Item]) -> Item:
        return next(i for i in items if i.letter.envelope.queue_id == spooled.envelope.queue_id)

    first = mine(await lease_due(pool, soon()))
    second = mine(await lease_due(pool, soon() + timedelta(seconds=61)))
    delivered = [Outcome("a@y.test", Verdict.DELIVERED, Reply.of(250, "2.0.0", "ok"), "mx")]
    assert not await queue.record_retry(first, delivered, [], None, [])
    assert await queue.known(spooled.envelope.tenant_id, spooled.envelope.queue_id) == {"a@y.test"}
    assert await queue.record_retry(second, delivered, [], None, [])
    assert not await queue.record_retry(second, delivered, [], None, [])


async def test_what_waits_under_a_lost_lease_ends_nobody_elses(queue: SqlQueue, pool: Pool) -> None:
    """Who was thought dead and comes back late says that it waits on: the lease of whoever has it now goes on."""
    spooled = await postpone(queue, "a@y.test", "b@y.test")

    def mine(items: list[Item]) -> Item:
        return next(i for i in items if i.letter.envelope.queue_id == spooled.envelope.queue_id)

    first = mine(await lease_due(pool, soon()))
    second = mine(await lease_due(pool, soon() + timedelta(seconds=61)))
    late = [Outcome("b@y.test", Verdict.DEFERRED, LATER, "mx")]
    settled = [Outcome("a@y.test", Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx")]
    assert not await queue.record_retry(first, settled, late, soon(), [])
    part = Part(settled=settled, waiting=late, attempts=[], kept_until=soon())
    assert not await queue.record_part(first, part, soon())
    async with transaction(pool, OPERATOR) as connection:
        row = await connection.fetchrow(
            "SELECT recipients, lease_until FROM queue_item WHERE item_id = $1", second.item_id
        )
    assert row is not None
    assert row["recipients"] == ["a@y.test", "b@y.test"]
    assert row["lease_until"] > soon() + timedelta(seconds=60)
    assert await queue.record_retry(second, settled, late, soon(), [])


async def test_what_was_not_settled_waits_on(queue: SqlQueue, pool: Pool) -> None:
    spooled = await postpone(queue, "a@y.test", "b@y.test")
    item = next(
        i for i in await lease_due(pool, soon()) if i.letter.envelope.queue_id == spooled.envelope.queue_id
    )
    waiting = [Outcome("b@y.test", Verdict.DEFERRED, LATER, "mx")]
    settled = [Outcome("a@y.test", Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx")]
    assert await queue.record_retry(item, settled, waiting, soon() + timedelta(minutes=5), [])
    again = next(
        i
        for i in await lease_due(pool, soon() + timedelta(minutes=6))
        if i.letter.envelope.queue_id == spooled.envelope.queue_id
    )
    assert (again.recipients, again.attempts) == (("b@y.test",), 2)


async def test_a_notice_stays_due_until_it_is_made(queue: SqlQueue) -> None:
    spooled, payload = letter("a@y.test", "b@y.test")
    failed = [Outcome("a@y.test", Verdict.FAILED, Reply.of(550, "5.1.1", "nobody"), "mx.y.test")]
    for _ in range(2):
        await queue.record_first(spooled, payload, failed, [], [])
    future = datetime.now(UTC) + timedelta(minutes=1)

    async def due() -> list[tuple[Outcome, ...]]:
        return [each.outcomes for each in await queue.notices_due(1000, future) if each.payload == payload]

    assert await due() == [tuple(failed)]
    await queue.notice_made(spooled.envelope.tenant_id, spooled.envelope.queue_id, ["a@y.test"])
    assert await due() == []


async def test_the_null_reverse_path_is_never_told(queue: SqlQueue) -> None:
    spooled, payload = letter("a@y.test", reverse_path="")
    await queue.record_first(
        spooled,
        payload,
        [Outcome("a@y.test", Verdict.FAILED, Reply.of(550, "5.1.1", "nobody"), "mx")],
        [],
        [],
    )
    future = datetime.now(UTC) + timedelta(minutes=1)
    assert all(each.payload != payload for each in await queue.notices_due(1000, future))


async def test_no_tenant_and_the_wrong_tenant_see_no_rows(queue: SqlQueue, engines: Engines) -> None:
    spooled = await postpone(queue, "a@y.test")
    other, payload = letter("b@y.test")
    await queue.record_first(other, payload, [Outcome("b@y.test", Verdict.FAILED, LATER, "")], [], [])
    connection = await asyncpg.connect(engines.dsn("queue", "app"))
    try:
        for scope in (None, str(uuid4())):
            async with connection.transaction():
                if scope is not None:
                    await connection.execute("SELECT set_config('posthouse.tenant', $1, true)", scope)
                for table in metadata.tables:
                    assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('posthouse.tenant', $1, true)", spooled.envelope.tenant_id
            )
            assert await connection.fetchval("SELECT count(*) FROM queue_item") == 1
    finally:
        await connection.close()


async def test_what_was_never_tried_is_put_off_together(queue: SqlQueue, pool: Pool) -> None:
    letters = [letter(f"a@{number}.test")[0] for number in range(3)]
    now = soon()
    await queue.put_off(
        [
            PutOff(
                each.envelope,
                Postponed(f"{number}.test", b"", (f"a@{number}.test",), ("",), 0, now, now, None, ""),
            )
            for number, each in enumerate(letters)
        ]
    )
    for each in letters:
        assert await queue.known(each.envelope.tenant_id, each.envelope.queue_id)


async def test_what_is_put_off_when_it_comes_again_is_no_further_event(pool: Pool) -> None:
    told: list[bytes] = []
    queue = SqlQueue(pool, tell=lambda _tenant, payload: told.append(payload))
    spooled, payload = letter("a@x.test", "b@y.test")
    settled = [Outcome("a@x.test", Verdict.DELIVERED, Reply.of(250, "2.0.0", "ok"), "mx")]
    await queue.record_first(spooled, payload, settled, [], [])
    assert b"".join(told).count(b'"queued"') == 1
    now = soon()
    waits = Postponed("y.test", payload, ("b@y.test",), ("",), 0, now, now, None, "")
    await queue.put_off([PutOff(spooled.envelope, waits, TakenOver.BEFORE)])
    assert b"".join(told).count(b'"queued"') == 1
    other, octets = letter("b@y.test")
    await queue.put_off([PutOff(other.envelope, replace(waits, payload=octets))])
    assert b"".join(told).count(b'"queued"') == 2


async def test_a_sender_is_told_once_that_it_takes_longer(queue: SqlQueue) -> None:
    spooled, payload = letter("a@y.test", "b@y.test")
    null, null_payload = letter("a@y.test", reverse_path="")
    now = soon()
    for each, octets in ((spooled, payload), (null, null_payload)):
        recipients = tuple(recipient.address for recipient in each.envelope.recipients)
        replies = ("451 later",) * len(recipients)
        end = now + timedelta(days=5)
        waits = Postponed("y.test", octets, recipients, replies, 1, end, end, now, "mx")
        await queue.record_first(each, octets, [], [waits], [])

    async def told(now: datetime) -> list[Delayed]:
        ours = {spooled.envelope.queue_id, null.envelope.queue_id}
        found = await queue.delayed(1000, now, now + timedelta(minutes=10))
        return [each for each in found if each.queue_id in ours]

    assert await told(now - timedelta(seconds=1)) == []
    [delayed] = await told(now)
    assert [(each.address, each.reply.code) for each in delayed.outcomes] == [
        ("a@y.test", 451),
        ("b@y.test", 451),
    ]
    assert await told(now) == [], "another process has it"
    [again] = await told(now + timedelta(minutes=10))
    await queue.warned(again.tenant_id, again.item_id)
    assert await told(now + timedelta(days=1)) == []


async def test_what_had_no_turn_before_its_end_fails_with_a_notice(queue: SqlQueue, pool: Pool) -> None:
    spooled = await postpone(queue, "a@y.test", "b@y.test", due=NOW + timedelta(days=1))
    held = await postpone(queue, "a@y.test")
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute(
            "UPDATE queue_item SET status = 'held' WHERE queue_id = $1", held.envelope.queue_id
        )
    ours = [spooled.envelope.queue_id, held.envelope.queue_id]
    for days, left in ((4, set(ours)), (6, set(ours[1:]))):
        await queue.give_up_overdue(10_000, NOW + timedelta(days=days))
        async with transaction(pool, OPERATOR) as connection:
            rows = await connection.fetch("SELECT queue_id FROM queue_item WHERE queue_id = ANY($1)", ours)
        assert {row[0] for row in rows} == left
    future = datetime.now(UTC) + timedelta(minutes=1)
    [due] = [
        each
        for each in await queue.notices_due(10_000, future)
        if each.queue_id in (spooled.envelope.queue_id, held.envelope.queue_id)
    ]
    assert due.queue_id == spooled.envelope.queue_id, "what is held has no end"
    assert [(each.address, each.status, each.reply.code) for each in due.outcomes] == [
        ("a@y.test", "5.4.7", 451),
        ("b@y.test", "5.4.7", 451),
    ]


async def test_history_is_forgotten_in_the_end(queue: SqlQueue, pool: Pool) -> None:
    spooled, payload = letter("a@y.test")
    for age in (timedelta(days=40), timedelta(days=1)):
        tried = Attempt("y.test", NOW - age, 0.1, "mx", "192.0.2.1", "", LATER, 0, 1, 0)
        await queue.record_first(spooled, payload, [], [], [tried])
    assert await queue.forget_attempts(1000, NOW - timedelta(days=30)) >= 1
    async with transaction(pool, OPERATOR) as connection:
        kept = await connection.fetch(
            "SELECT started_at FROM queue_attempt WHERE queue_id = $1", spooled.envelope.queue_id
        )
    assert [row[0] for row in kept] == [NOW - timedelta(days=1)]
