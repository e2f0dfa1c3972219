"""Items that wait for their release, and turns by priority, on real rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from mailproto.smtp.wishes import Wishes
from mta_queue.adapters.changes import Changes
from mta_queue.adapters.items import Items
from mta_queue.core.change import Change, Hold, Release, Retry
from mta_queue.core.item_filter import ItemFilter
from mta_queue.core.records import Caller, ItemRecord
from mta_queue.ports import Postponed, PutOff
from spool import SpooledLetter, decode
from spool.codec import encode, facts_to_wire

from tests.integration.mta_queue.test_lanes import Queue, queue
from tests.support.queued import letter

__all__ = ["queue"]
OPERATOR = Caller("operator", "", "")
DAY = timedelta(days=1)


def wishing(wishes: Wishes, domain: str, tenant_id: str) -> tuple[SpooledLetter, bytes]:
    spooled, _ = letter(f"a@{domain}", tenant_id=tenant_id)
    spooled = replace(spooled, envelope=replace(spooled.envelope, wishes=wishes))
    envelope = spooled.envelope
    return spooled, encode(envelope, envelope.recipients, spooled.body, facts_to_wire(spooled.facts))


async def put(queue: Queue, wishes: Wishes, domain: str, tenant_id: str, due: datetime) -> str:
    """Put off untried; its queue id."""
    spooled, payload = wishing(wishes, domain, tenant_id)
    waits = Postponed(
        domain, payload, (f"a@{domain}",), ("",), 0, due, due + 5 * DAY, None, "", wishes.release_at
    )
    await queue.sql.put_off([PutOff(spooled.envelope, waits)])
    return spooled.envelope.queue_id


async def order(queue: Queue, change: Change, queue_id: str) -> tuple[int, ItemRecord]:
    """How many it changed, and how the item stands after it."""
    changes = Changes(queue.pool)
    job_id = await changes.begin(OPERATOR, ItemFilter(queue_ids=(queue_id,)), change)
    step = await changes.step(job_id)
    assert step is not None
    [record] = (await Items(queue.pool).message(OPERATOR, queue_id)).items
    return step.job.changed, record


async def test_what_waits_for_its_release_is_seen_and_not_due_before(queue: Queue) -> None:
    tenant_id, release_at = str(uuid4()), datetime.now(UTC) + DAY
    queue_id = await put(queue, Wishes(release_at=release_at, priority=2), "a.test", tenant_id, release_at)
    [record] = (await Items(queue.pool).message(OPERATOR, queue_id)).items
    assert (record.release_at, record.priority) == (release_at, 2)
    assert decode((await queue.take(later=2 * DAY)).items[0].payload).envelope.wishes.release_at == release_at


async def test_a_retry_leaves_it_alone_and_a_release_sends_it_at_once(queue: Queue) -> None:
    tenant_id, release_at = str(uuid4()), datetime.now(UTC) + DAY
    queue_id = await put(queue, Wishes(release_at=release_at), "a.test", tenant_id, release_at)
    changed, record = await order(queue, Retry(), queue_id)
    assert (changed, record.next_attempt_at) == (0, release_at)
    assert (await queue.take()).items == []
    changed, record = await order(queue, Release(), queue_id)
    assert (changed, record.release_at) == (1, None)
    assert [item.domain for item in (await queue.take(later=timedelta(minutes=1))).items] == ["a.test"]


async def test_the_end_of_a_hold_is_no_release(queue: Queue) -> None:
    tenant_id, release_at = str(uuid4()), datetime.now(UTC) + DAY
    queue_id = await put(queue, Wishes(release_at=release_at), "a.test", tenant_id, release_at)
    await order(queue, Hold("why"), queue_id)
    changed, record = await order(queue, Release(), queue_id)
    assert (changed, record.release_at, record.next_attempt_at) == (1, release_at, release_at)
    changed, record = await order(queue, Release(), queue_id)
    assert (changed, record.release_at) == (1, None)


@pytest.mark.parametrize("room", [1, 3])
async def test_who_is_urgent_has_its_turn_first_and_who_is_not_last(queue: Queue, room: int) -> None:
    tenant_id, due = str(uuid4()), datetime.now(UTC) - timedelta(hours=1)
    ids = {}
    for number, priority in enumerate((-4, 0, 3, -1, 0, 1)):
        at = due + timedelta(minutes=number)
        ids[await put(queue, Wishes(priority=priority), "a.test", tenant_id, at)] = priority
    taken = []
    for _ in range(6 // room):
        items = (await queue.take(room)).items
        for item in items:
            await queue.postpone(item)
        taken += sorted((ids[item.letter.envelope.queue_id] for item in items), reverse=True)
    assert [(each > 0) - (each < 0) for each in taken] == [1, 1, 0, 0, -1, -1]
