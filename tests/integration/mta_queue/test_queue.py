"""What waits, in PostgreSQL: leases, fencing, notices that are due, walls between tenants."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from blobstore import BodyReference
from mailmsg.facts import examine
from mailproto.smtp.reply import Reply
from mta_queue.adapters.queue import SqlQueue
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.ports import Postponed
from mta_queue.tables import metadata
from pgkit import Pool, open_pool
from spool import Envelope, EnvelopeRecipient, Source, SpooledLetter, new_queue_id
from spool.codec import encode, facts_to_wire

from tests.support.engines import Engines

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


def letter(
    *recipients: str, reverse_path: str = "from@ours.test", tenant_id: str = ""
) -> tuple[SpooledLetter, bytes]:
    envelope = Envelope(
        queue_id=new_queue_id(),
        tenant_id=tenant_id or str(uuid4()),
        reverse_path=reverse_path,
        recipients=tuple(EnvelopeRecipient(each, each, None) for each in recipients),
        arrived_at=NOW,
        digest=b"",
        size_octets=1,
        trace_prefix=b"",
        source=Source.MX,
        helo="",
        client_address="",
        sender_account_id="",
        smtputf8=False,
        eight_bit=False,
    )
    body = BodyReference("k", 0, 1, b"")
    facts = examine(b"x")
    return SpooledLetter(envelope, body, facts), encode(
        envelope, envelope.recipients, body, facts_to_wire(facts)
    )


async def postpone(queue: SqlQueue, *recipients: str, due: datetime = NOW) -> SpooledLetter:
    spooled, payload = letter(*recipients)
    await queue.record_first(
        spooled,
        payload,
        [],
        [Postponed("y.test", payload, recipients, ("451 later",), due, NOW + timedelta(days=5), "mx")],
        [],
    )
    return spooled


async def test_an_item_is_leased_once_and_again_when_the_lease_runs_out(queue: SqlQueue) -> None:
    spooled = await postpone(queue, "a@y.test")

    async def lease(now: datetime) -> list[str]:
        return [i.letter.envelope.queue_id for i in await queue.lease_due(1000, 60.0, now)]

    taken = await asyncio.gather(*(lease(NOW) for _ in range(8)))
    assert sum(ids.count(spooled.envelope.queue_id) for ids in taken) == 1
    assert spooled.envelope.queue_id not in await lease(NOW + timedelta(seconds=59))
    assert spooled.envelope.queue_id in await lease(NOW + timedelta(seconds=61))


async def test_a_result_under_a_lost_lease_changes_nothing(queue: SqlQueue) -> None:
    spooled = await postpone(queue, "a@y.test")

    def mine(items):  # type: ignore[no-untyped-def]
        return next(i for i in items if i.letter.envelope.queue_id == spooled.envelope.queue_id)

    first = mine(await queue.lease_due(1000, 60.0, NOW))
    second = mine(await queue.lease_due(1000, 60.0, NOW + timedelta(seconds=61)))
    delivered = [Outcome("a@y.test", Verdict.DELIVERED, Reply.of(250, "2.0.0", "ok"), "mx")]
    assert not await queue.record_retry(first, delivered, [], None, [])
    assert await queue.known(spooled.envelope.tenant_id, spooled.envelope.queue_id) == {"a@y.test"}
    assert await queue.record_retry(second, delivered, [], None, [])
    assert not await queue.record_retry(second, delivered, [], None, [])


async def test_what_was_not_settled_waits_on(queue: SqlQueue) -> None:
    spooled = await postpone(queue, "a@y.test", "b@y.test")
    item = next(
        i
        for i in await queue.lease_due(1000, 60.0, NOW)
        if i.letter.envelope.queue_id == spooled.envelope.queue_id
    )
    waiting = [Outcome("b@y.test", Verdict.DEFERRED, LATER, "mx")]
    settled = [Outcome("a@y.test", Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx")]
    assert await queue.record_retry(item, settled, waiting, NOW + timedelta(minutes=5), [])
    again = next(
        i
        for i in await queue.lease_due(1000, 60.0, NOW + timedelta(minutes=6))
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
