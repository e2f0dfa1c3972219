"""What the queue says it needs of stored messages."""

from collections.abc import AsyncIterator

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.adapters.known import holdings_of
from mta_queue.adapters.queue import SqlQueue
from mta_queue.core.outcome import Outcome, Verdict
from pgkit import OPERATOR, Pool, open_pool, transaction

from tests.integration.mta_queue.test_queue import postpone
from tests.support.engines import Engines
from tests.support.queued import letter


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"), max_size=2)
    yield opened
    await opened.close()


async def test_what_waits_is_needed_and_what_failed_until_its_notice_is_made(pool: Pool) -> None:
    queue = SqlQueue(pool)
    waiting = (await postpone(queue, "a@y.test", "b@y.test")).envelope.queue_id
    spooled, payload = letter("c@y.test", "d@y.test")
    mixed = spooled.envelope.queue_id
    await queue.record_first(
        spooled,
        payload,
        [
            Outcome("c@y.test", Verdict.DELIVERED, Reply.of(250, "2.0.0", "ok"), "mx"),
            Outcome("d@y.test", Verdict.FAILED, Reply.of(550, "5.1.1", "no"), "mx"),
        ],
        [],
        [],
    )
    assert await holdings_of(pool, [waiting, mixed, "unknown"]) == {
        (waiting, "a@y.test"): True,
        (waiting, "b@y.test"): True,
        (mixed, "c@y.test"): False,
        (mixed, "d@y.test"): True,
    }
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute("UPDATE relay_outcome SET notice_due = NULL WHERE queue_id = $1", mixed)
    assert not any((await holdings_of(pool, [mixed])).values())
