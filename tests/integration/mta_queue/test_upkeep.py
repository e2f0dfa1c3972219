"""What is old enough is forgotten, a batch at a time; what is still to be told is not."""

import asyncio
from datetime import UTC, datetime, timedelta

from mailproto.smtp.reply import Reply
from mta_queue.adapters.queue import SqlQueue
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.records import Caller
from mta_queue.edge.upkeep import Upkeep
from pgkit import OPERATOR, open_pool, transaction

from tests.support.engines import Engines
from tests.support.queued import letter


async def test_what_was_settled_long_ago_is_forgotten_unless_it_is_to_be_told(engines: Engines) -> None:
    pool = await open_pool(engines.dsn("queue", "app"))
    queue, suppressions = SqlQueue(pool), Suppressions(pool)
    spooled, payload = letter("ok@x.test", "gone@x.test", "new@x.test")
    tenant_id, queue_id = spooled.envelope.tenant_id, spooled.envelope.queue_id
    settled = [
        Outcome("ok@x.test", Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx"),
        Outcome("gone@x.test", Verdict.FAILED, Reply.of(550, "5.1.1", "User unknown"), "mx"),
    ]
    await queue.record_first(spooled, payload, settled, [], [])
    now = datetime.now(UTC)
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute(
            "UPDATE relay_outcome SET settled_at = $1 WHERE queue_id = $2", now - timedelta(days=61), queue_id
        )
    newer = [Outcome("new@x.test", Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx")]
    await queue.record_first(spooled, payload, newer, [], [])
    operator = Caller("operator", "", "")
    await suppressions.add(operator, tenant_id, "over@x.test", "", now - timedelta(seconds=1))
    await suppressions.add(operator, tenant_id, "stays@x.test", "", now + timedelta(days=1))
    upkeep = Upkeep(
        queue,
        timedelta(days=30),
        asyncio.Event(),
        outcomes=timedelta(days=60),
        forget_expired=suppressions.forget_expired,
    )
    await upkeep.once(now)
    assert await queue.known(tenant_id, queue_id) == {"gone@x.test", "new@x.test"}
    async with transaction(pool, tenant_id) as connection:
        rows = await connection.fetch("SELECT address FROM suppression")
    assert [row["address"] for row in rows] == ["stays@x.test"]
    # When its notice has been made it goes too.
    await queue.notice_made(tenant_id, queue_id, ["gone@x.test"])
    await upkeep.once(now)
    assert await queue.known(tenant_id, queue_id) == {"new@x.test"}
    await pool.close()
