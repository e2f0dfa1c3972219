"""A queue of a million: `python -m tests.bench.queue [items]`.

Real PostgreSQL of our own, rows as they are (1,000 tenants, one of them with a tenth of all, 20,000 domains, one of
them dead with a tenth of all), everything under row security. Every figure is the median of several runs, with
the plans and the cache as they come. Nothing here is a test: it prints.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import mta_queue.migrate
from blobstore import BodyReference
from mailmsg.facts import examine
from mailwire.spool.v1 import spool_pb2 as wire
from mta_queue.adapters.changes import Changes
from mta_queue.adapters.items import Items
from mta_queue.adapters.lanes import Lanes
from mta_queue.core.change import Hold, Release
from mta_queue.core.item_filter import ItemFilter, Status, SummaryKey
from mta_queue.core.records import Caller, JobStatus
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, UnderWay
from pgkit import open_pool
from spool import Envelope, EnvelopeRecipient, Source
from spool.codec import encode

from tests.support.engines import Engines, running

OPERATOR = Caller("bench", "", "")
TENANT = "'00000000-0000-4000-8000-' || lpad(to_hex(CASE WHEN n % 10 = 0 THEN 0 ELSE n % 1000 END), 12, '0')"
DOMAIN = "CASE WHEN n % 10 = 5 THEN 'dead.test' ELSE 'd' || (n % 20000) || '.test' END"
FILL = f"""
INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts, next_attempt_at,
                        expires_at, last_reply, last_host, replies, tried_at, created_at)
SELECT ({TENANT})::uuid, 'Q' || lpad(n::text, 25, '0'), {DOMAIN}, 's' || (n % 50000) || '@ours.test',
       ARRAY['r' || n || '@' || {DOMAIN}], $3, 1 + n % 20, now() + (n % 3600 - $4) * interval '1 second',
       now() + interval '5 days', '451 4.2.1 busy number ' || (n % 977), 'mx.test', ARRAY['451 busy'], now(),
       now() - (($2 - n) / 3)  * interval '1 second'
FROM generate_series($1::int, $2::int) AS n"""


def payload() -> bytes:
    """What a waiting item keeps."""
    envelope = Envelope(
        queue_id="Q" * 26,
        tenant_id="00000000-0000-4000-8000-000000000000",
        reverse_path="sender@ours.test",
        recipients=(EnvelopeRecipient("r@d.test", "r@d.test", None),),
        arrived_at=datetime.now(UTC),
        digest=bytes(32),
        size_octets=4096,
        trace_prefix=b"Received: from client.example (client.example [192.0.2.1])\r\n\tby mail.example\r\n"
        * 2,
        source=Source.SUBMISSION,
        helo="client.example",
        client_address="192.0.2.1",
        sender_account_id="",
        smtputf8=False,
        eight_bit=False,
    )
    examine(b"")
    return encode(envelope, envelope.recipients, BodyReference("k" * 60, 0, 4096, bytes(32)), wire.Facts())


async def fill(engines: Engines, items: int) -> None:
    connection = await asyncpg.connect(engines.dsn("queue", "owner"))
    await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
    step = 50_000
    for start in range(1, items + 1, step):
        await connection.execute(FILL, start, min(start + step - 1, items), payload(), 0)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def measured(what: str, work: Callable[[], Awaitable[Any]], runs: int = 5) -> None:
    seconds = []
    result: Any = None
    for _ in range(runs):
        started = time.perf_counter()
        result = await work()
        seconds.append(time.perf_counter() - started)
    print(
        f"{what:58s} median {statistics.median(seconds) * 1000:8.1f} ms   worst {max(seconds) * 1000:8.1f} ms   {result}"
    )


async def main(items: int) -> None:
    with tempfile.TemporaryDirectory(prefix="queue-bench-") as folder:
        Path(folder).chmod(0o755)
        async with running(Path(folder)) as engines:
            await asyncio.to_thread(mta_queue.migrate.migrate, engines.dsn("queue", "owner"), "queue_app")
            started = time.perf_counter()
            await fill(engines, items)
            print(f"{items} items written in {time.perf_counter() - started:.0f} s")
            await measure(engines, items)


async def measure(engines: Engines, items: int) -> None:
    pool = await open_pool(engines.dsn("queue", "app"))
    listing, changes, lanes = Items(pool), Changes(pool), Lanes(pool)
    middle = items // 2

    async def count(wanted: ItemFilter, after: int = 0) -> int:
        return len(await listing.listing(OPERATOR, wanted, after, 100))

    async def groups(key: SummaryKey) -> int:
        return len(await listing.summary(OPERATOR, ItemFilter(), key, 100))

    tenant = "00000000-0000-4000-8000-000000000007"
    for what, wanted in (
        ("list, first page", ItemFilter()),
        ("list, a small tenant's", ItemFilter(tenant_id=tenant)),
        ("list, a big tenant's", ItemFilter(tenant_id=tenant[:-1] + "0")),
        ("list, a domain's", ItemFilter(domain="d7.test")),
        ("list, a small tenant's to the dead domain", ItemFilter(tenant_id=tenant, domain="dead.test")),
        ("list, from a sender", ItemFilter(sender="s77@ours.test")),
        ("list, to a recipient", ItemFilter(recipient=f"r{middle + 1}@d{(middle + 1) % 20000}.test")),
        ("list, from a domain (no index)", ItemFilter(sender="@nobody.test")),
        ("list, reply text found often", ItemFilter(reply="number 77")),
        ("list, reply text found nowhere (reads all)", ItemFilter(reply="no such text")),
        ("list, held (none)", ItemFilter(status=Status.HELD)),
        ("list, sending (none)", ItemFilter(status=Status.SENDING)),
        ("list, younger than a minute", ItemFilter(entered_after=datetime.now(UTC) - timedelta(minutes=1))),
        ("list, older than a day", ItemFilter(entered_before=datetime.now(UTC) - timedelta(days=1))),
    ):
        await measured(what, partial(count, wanted))
    for key in SummaryKey:
        await measured(f"summary by {key.value}", partial(groups, key), 3)
    await measured("list, a page in the middle", lambda: count(ItemFilter(), middle))

    async def show() -> int:
        return len((await listing.message(OPERATOR, "Q" + str(middle).zfill(25))).items)

    await measured("show one message", show)

    async def change(wanted: ItemFilter, change: Hold | Release) -> str:
        job_id = await changes.begin(OPERATOR, wanted, change)
        while (step := await changes.step(job_id)) is not None:
            if step.job.status is not JobStatus.RUNNING:
                return f"{step.job.changed} changed"
        return "?"

    for what, wanted in (
        ("a small tenant's", ItemFilter(tenant_id=tenant)),
        ("a domain's", ItemFilter(domain="d7.test")),
        ("by reply text and tenant", ItemFilter(tenant_id=tenant, reply="busy")),
        ("the dead domain's", ItemFilter(domain="dead.test")),
    ):
        await measured(f"hold {what}", partial(change, wanted, Hold("bench")), 1)
        await measured(f"release {what}", partial(change, wanted, Release()), 1)
    rules = Rules({}, {}, Schedule(300.0, 3600.0, 432_000.0))

    async def take() -> str:
        taken = await lanes.take(
            16, UnderWay(), Caps(20, 1000), rules, 1.0, datetime.now(UTC) + timedelta(minutes=10)
        )
        return f"{len(taken.items)} items" if taken is not None else "busy"

    await measured("take the next 16 of what is due", take, 20)

    async def take_one() -> str:
        taken = await lanes.take(1, UnderWay(), Caps(20, 1000), rules, 1.0, datetime.now(UTC))
        return f"{len(taken.items)} items" if taken is not None else "busy"

    await measured("take the next one", take_one, 20)
    async with pool.acquire() as connection:
        await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
        sizes = await connection.fetch(
            """SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) AS size FROM pg_class
               WHERE relname IN ('queue_item', 'queue_lane') ORDER BY 1"""
        )
        print(json.dumps({row["relname"]: row["size"] for row in sizes}))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
