"""The version before this one: what it left is found, and what it still writes and takes fits."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import mta_queue.migrate
from mta_queue.adapters.lanes import Lanes
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, UnderWay
from pgkit import migrations, open_pool

from tests.support.engines import running
from tests.support.queued import letter

# As it was in version 0.1 of the first step.
OLD_INSERT = """
INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts,
                        next_attempt_at, expires_at, last_reply, last_host)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10) ON CONFLICT DO NOTHING"""
OLD_LEASE = """
UPDATE queue_item q SET lease_until = $2::timestamptz, fencing = q.fencing + 1
FROM (SELECT tenant_id, queue_id, domain FROM queue_item
      WHERE status = 'waiting' AND next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until < $1)
      ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) due
WHERE q.tenant_id = due.tenant_id AND q.queue_id = due.queue_id AND q.domain = due.domain
RETURNING q.*"""


async def put(connection: "asyncpg.Connection[asyncpg.Record]", domain: str) -> str:
    spooled, payload = letter(f"a@{domain}", tenant_id=str(uuid4()))
    now = datetime.now(UTC)
    await connection.execute(
        OLD_INSERT,
        UUID(spooled.envelope.tenant_id),
        spooled.envelope.queue_id,
        domain,
        "from@ours.test",
        [f"a@{domain}"],
        payload,
        now - timedelta(seconds=1),
        now + timedelta(days=5),
        "451 later",
        "mx",
    )
    return spooled.envelope.queue_id


async def test_both_versions_run_on_the_newest_step(tmp_path: Path) -> None:
    first_step = tmp_path / "first"
    first_step.mkdir()
    shutil.copy(mta_queue.migrate.STEPS / "0001_queue.py", first_step)
    async with running(tmp_path / "data") as engines:
        owner = engines.dsn("queue", "owner")
        await asyncio.to_thread(migrations.migrate, owner, "queue_app", first_step)
        old = await asyncpg.connect(engines.dsn("queue", "app"))
        await old.execute("SELECT set_config('posthouse.scope', 'operator', false)")
        before = await put(old, "before.test")
        await asyncio.to_thread(mta_queue.migrate.migrate, owner, "queue_app")
        await asyncio.to_thread(mta_queue.migrate.migrate, owner, "queue_app")
        meanwhile = await put(old, "meanwhile.test")
        pool = await open_pool(engines.dsn("queue", "app"))
        lanes, rules = Lanes(pool), Rules({}, {}, Schedule(300.0, 3600.0, 432_000.0))
        now = datetime.now(UTC)
        taken = await lanes.take(10, UnderWay(), Caps(5, 5), rules, 60.0, now)
        assert taken is not None
        assert {item.letter.envelope.queue_id for item in taken.items} == {before, meanwhile}
        assert await old.fetch(OLD_LEASE, now, now + timedelta(seconds=60), 10) == [], "under our lease"
        third = await put(old, "third.test")
        now = datetime.now(UTC)
        rows = await old.fetch(OLD_LEASE, now, now + timedelta(seconds=60), 10)
        assert [row["queue_id"] for row in rows] == [third]
        taken = await lanes.take(10, UnderWay(), Caps(5, 5), rules, 60.0, now)
        assert taken is not None
        assert taken.items == [], "under its lease"
        await old.execute(
            "UPDATE queue_item SET next_attempt_at = $1, lease_until = NULL WHERE queue_id = $2", now, third
        )
        taken = await lanes.take(10, UnderWay(), Caps(5, 5), rules, 60.0, datetime.now(UTC))
        assert taken is not None
        assert [item.letter.envelope.queue_id for item in taken.items] == [third]
        await pool.close()
        await old.close()
