"""What is due is taken in turns: nobody's backlog delays another's mail, caps hold over processes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from mta_queue.adapters.lanes import Lanes
from mta_queue.adapters.queue import SqlQueue
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.rules import Rules, Suspension
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, Lane, UnderWay
from mta_queue.ports import Item, Postponed, Taken
from pgkit import OPERATOR, Pool, open_pool, transaction

from tests.integration.mta_queue.test_queue import LATER
from tests.support.engines import Engines
from tests.support.queued import letter

RULES = Rules({}, {}, Schedule(300.0, 3600.0, 432_000.0))
CAPS = Caps(a_destination=5, a_tenant=50)
BURST = """
INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, next_attempt_at, expires_at)
SELECT $1, 'B' || $4 || n, $2, 'from@ours.test', ARRAY['u' || n || '@' || $2], $3,
       now() - interval '1 hour', now() + interval '5 days' FROM generate_series(1, $5::int) n"""


class Queue:
    """Rows of this test only: everything else is swept away first."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.sql = SqlQueue(pool)
        self.lanes = Lanes(pool)

    async def put(self, tenant_id: str, domain: str, count: int = 1) -> None:
        """A few letters, or a burst of rows that share one."""
        for number in range(1, count + 1 if count <= 20 else 1):
            address = f"u{number}@{domain}"
            spooled, payload = letter(address, tenant_id=tenant_id)
            due = datetime.now(UTC) - timedelta(hours=1)
            waits = Postponed(domain, payload, (address,), ("",), 0, due, due + timedelta(days=5), None, "")
            await self.sql.record_first(spooled, payload, [], [waits], [])
        if count > 20:
            _, payload = letter(f"a@{domain}", tenant_id=tenant_id)
            async with transaction(self.pool, OPERATOR) as connection:
                await connection.execute(BURST, UUID(tenant_id), domain, payload, uuid4().hex, count)

    async def take(
        self,
        room: int = 10,
        *,
        lanes: Lanes | None = None,
        firsts: UnderWay | None = None,
        caps: Caps = CAPS,
        rules: Rules = RULES,
        later: timedelta = timedelta(0),
    ) -> Taken:
        taken = await (lanes or self.lanes).take(
            room, firsts or UnderWay(), caps, rules, 60.0, datetime.now(UTC) + later
        )
        assert taken is not None
        return taken

    async def postpone(self, item: Item) -> None:
        waiting = [Outcome(address, Verdict.DEFERRED, LATER, "") for address in item.recipients]
        assert await self.sql.record_retry(item, [], waiting, datetime.now(UTC) + timedelta(hours=1), [])


@pytest.fixture
async def queue(engines: Engines) -> AsyncIterator[Queue]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=8)
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute("DELETE FROM queue_item")
        await connection.execute("DELETE FROM queue_lane")
    yield Queue(pool)
    await pool.close()


def domains(taken: Taken) -> list[str]:
    return sorted(item.domain for item in taken.items)


async def test_a_burst_to_a_dead_domain_does_not_delay_another_tenants_item(queue: Queue) -> None:
    noisy, quiet = str(uuid4()), str(uuid4())
    await queue.put(noisy, "dead.test", 100_000)
    await queue.put(noisy, "alive.test")
    # All places that the destination has are taken by the burst.
    assert domains(await queue.take()) == ["alive.test", *["dead.test"] * CAPS.a_destination]
    await queue.put(quiet, "elsewhere.test")
    await queue.put(quiet, "dead.test")
    taken = await queue.take()
    assert domains(taken) == ["elsewhere.test"], "the very next take has it"
    assert taken.is_capped
    # As places of the destination become free, the other tenant's item has its turn among the first.
    owners = []
    for _ in range(2):
        async with transaction(queue.pool, OPERATOR) as connection:
            await connection.execute(
                """UPDATE queue_item SET lease_until = NULL, next_attempt_at = now() + interval '1 hour' WHERE item_id =
                   (SELECT item_id FROM queue_item WHERE lease_until IS NOT NULL AND domain = 'dead.test' LIMIT 1)"""
            )
        owners += [item.letter.envelope.tenant_id for item in (await queue.take(1)).items]
    assert quiet in owners


async def test_with_one_place_everybody_is_served_in_turn(queue: Queue) -> None:
    tenants = [str(uuid4()) for _ in range(4)]
    for tenant_id in tenants:
        await queue.put(tenant_id, "one.test", 3)
        await queue.put(tenant_id, "two.test", 3)
    served = []
    for _ in range(8):
        [item] = (await queue.take(1)).items
        served.append(Lane(item.letter.envelope.tenant_id, item.domain))
        await queue.postpone(item)
    assert {lane.tenant_id for lane in served[:4]} == set(tenants)
    assert len(set(served)) == 8, "each tenant, each destination, once"


async def test_caps_count_leases_of_all_processes_and_first_attempts(queue: Queue) -> None:
    tenant_id = str(uuid4())
    await queue.put(tenant_id, "one.test", 20)
    firsts = UnderWay()
    for _ in range(2):
        firsts.enter(Lane(str(uuid4()), "one.test"))
    assert len((await queue.take(firsts=firsts)).items) == 3
    assert len((await queue.take(lanes=Lanes(queue.pool))).items) == 2
    assert (await queue.take(lanes=Lanes(queue.pool))).items == []
    caps = Caps(a_destination=5, a_tenant=6)
    await queue.put(tenant_id, "two.test", 20)
    assert domains(await queue.take(caps=caps)) == ["two.test"]


async def test_processes_that_take_at_once_never_take_the_same(queue: Queue) -> None:
    for number in range(6):
        await queue.put(str(uuid4()), f"d{number}.test", 5)
    now = datetime.now(UTC)

    async def taker() -> list[Item]:
        lanes, mine = Lanes(queue.pool), []
        while (taken := await lanes.take(3, UnderWay(), CAPS, RULES, 60.0, now)) is None or taken.items:
            mine += taken.items if taken is not None else []
        return mine

    found = [item for items in await asyncio.gather(*(taker() for _ in range(4))) for item in items]
    keys = [(item.letter.envelope.tenant_id, item.domain, item.recipients) for item in found]
    assert len(keys) == len(set(keys)) == 30


async def test_a_dead_process_leaves_its_items_when_the_lease_is_over(queue: Queue) -> None:
    await queue.put(str(uuid4()), "one.test")
    [item] = (await queue.take()).items
    assert (await queue.take(later=timedelta(seconds=59))).items == []
    [again] = (await queue.take(later=timedelta(seconds=61))).items
    assert (again.recipients, again.fencing) == (item.recipients, item.fencing + 1)


async def test_a_lease_that_is_renewed_is_not_over(queue: Queue) -> None:
    await queue.put(str(uuid4()), "one.test")
    [item] = (await queue.take()).items
    await queue.lanes.renew([item], datetime.now(UTC) + timedelta(seconds=120))
    assert (await queue.take(later=timedelta(seconds=61))).items == []
    [again] = (await queue.take(later=timedelta(seconds=121))).items
    await queue.lanes.renew([item], datetime.now(UTC) + timedelta(hours=9))
    assert len((await queue.take(later=timedelta(seconds=182))).items) == 1, (
        "a lease that was lost is not renewed"
    )
    assert again.fencing == item.fencing + 1


async def test_a_lane_waits_for_its_next_item_and_goes_with_its_last(queue: Queue) -> None:
    await queue.put(str(uuid4()), "one.test")
    [item] = (await queue.take()).items
    await queue.postpone(item)
    assert (await queue.take(later=timedelta(minutes=59))).items == []
    [item] = (await queue.take(later=timedelta(minutes=61))).items
    delivered = [Outcome(item.recipients[0], Verdict.DELIVERED, LATER.of(250, "", "ok"), "")]
    assert await queue.sql.record_retry(item, delivered, [], None, [])
    assert (await queue.take(later=timedelta(hours=3))).items == []
    async with transaction(queue.pool, OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM queue_lane") == 0


async def test_what_is_suspended_has_no_turn_until_it_is_lifted(queue: Queue) -> None:
    tenant_id, other = str(uuid4()), str(uuid4())
    for owner in (tenant_id, other):
        await queue.put(owner, "one.test")
        await queue.put(owner, "two.test")
    end = datetime.now(UTC) + timedelta(seconds=20)

    def rules(*scopes: tuple[str, str]) -> Rules:
        made = {scope: Suspension("i", *scope, "why", "operator", end, end) for scope in scopes}
        return Rules(made, {}, RULES.default)

    taken = await queue.take(rules=rules((tenant_id, ""), (other, "two.test")))
    assert [(item.letter.envelope.tenant_id, item.domain) for item in taken.items] == [(other, "one.test")]
    assert (await queue.take()).items == [], "noticed when the suspension ends, or when it is lifted"
    assert len((await queue.take(later=timedelta(seconds=21))).items) == 3


async def test_a_destination_that_does_not_answer_is_paused_for_all(queue: Queue) -> None:
    for _ in range(3):
        await queue.put(str(uuid4()), "dead.test", 2)
    await queue.put(str(uuid4()), "alive.test")
    await queue.lanes.pause("dead.test", datetime.now(UTC) + timedelta(seconds=30))
    assert domains(await queue.take()) == ["alive.test"]
    assert domains(await queue.take(later=timedelta(seconds=40))) == ["dead.test"] * CAPS.a_destination


async def test_a_destination_may_be_away_for_one_tenant_and_for_all_but_one(queue: Queue) -> None:
    own, others = str(uuid4()), [str(uuid4()) for _ in range(2)]
    for tenant_id in (own, *others):
        await queue.put(tenant_id, "dead.test")
    soon = datetime.now(UTC) + timedelta(seconds=30)
    await queue.lanes.pause("dead.test", soon, "", [own])
    assert {item.letter.envelope.tenant_id for item in (await queue.take()).items} == {own}
    await queue.put(own, "gone.test")
    await queue.put(others[0], "gone.test")
    await queue.lanes.pause("gone.test", soon, own)
    assert {item.letter.envelope.tenant_id for item in (await queue.take()).items} == {others[0]}


async def test_an_item_that_cannot_be_read_is_held_and_stops_nobody(queue: Queue) -> None:
    tenant_id = str(uuid4())
    await queue.put(tenant_id, "one.test", 2)
    async with transaction(queue.pool, OPERATOR) as connection:
        await connection.execute(
            r"UPDATE queue_item SET payload = '\xff' WHERE item_id = (SELECT min(item_id) FROM queue_item)"
        )
    assert len((await queue.take()).items) == 1
    async with transaction(queue.pool, OPERATOR) as connection:
        reasons = await connection.fetch("SELECT hold_reason FROM queue_item WHERE status = 'held'")
    assert [row[0] for row in reasons] == ["its envelope cannot be read: not a spooled message"]
