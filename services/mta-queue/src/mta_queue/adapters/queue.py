"""The queue in PostgreSQL. Any process may take any item; a lease and its number keep two from settling one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from uuid import UUID

import asyncpg
from mailproto.smtp.client import Passed
from mailproto.smtp.wishes import Relayed
from pgkit import OPERATOR, Pool, transaction
from spool import SpooledLetter

from mta_queue.adapters.recording import (
    FirstResult,
    LaterResult,
    parse_reply,
    postpone,
    record_firsts,
    record_laters,
)
from mta_queue.adapters.telling import Telling, given_up
from mta_queue.adapters.together import Together
from mta_queue.core.attempt import Attempt
from mta_queue.core.events import Event, of_results, queued
from mta_queue.core.hooks import Hook
from mta_queue.core.outcome import EXPIRED, Outcome, Verdict, judge
from mta_queue.ports import Delayed, Due, Item, Part, Postponed, PutOff, TakenOver

OVERDUE = """
WITH over AS (
    SELECT item_id FROM queue_item
    WHERE status = 'waiting' AND expires_at < $1 AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED),
gone AS (
    DELETE FROM queue_item i USING over WHERE i.item_id = over.item_id
    RETURNING tenant_id, queue_id, reverse_path, payload, recipients, replies, last_reply, last_host),
settled AS (
    INSERT INTO relay_outcome (tenant_id, queue_id, address, outcome, status, reply, host, notice_due)
    SELECT tenant_id, queue_id, address, 'failed', $3,
           coalesce(nullif(reply, ''), nullif(last_reply, ''), $4), last_host,
           CASE WHEN reverse_path <> '' THEN payload END
    FROM gone CROSS JOIN LATERAL unnest(recipients, replies) AS each(address, reply) WHERE address IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING tenant_id, queue_id, address, status, reply, host)
SELECT settled.*, (SELECT reverse_path FROM gone WHERE gone.tenant_id = settled.tenant_id
                   AND gone.queue_id = settled.queue_id LIMIT 1) AS reverse_path, 0 AS items FROM settled
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, count(*) FROM gone"""
RESULTS_AT_ONCE = 256
NOT_YET_TRIED = "451 It waits for its turn"
NEVER_TRIED = "451 It had no turn before its time was over"


class SqlQueue:
    """Satisfies ports.Queue."""

    def __init__(
        self,
        pool: Pool,
        *,
        hooks: Callable[[], Mapping[str, Sequence[Hook]]] = dict,
        tell: Callable[[str, bytes], None] = lambda tenant_id, payload: None,
    ) -> None:
        self._pool = pool
        self.telling = Telling(hooks, tell)
        self._firsts = Together(self._record_firsts, RESULTS_AT_ONCE)
        self._laters = Together(self._record_laters, RESULTS_AT_ONCE)

    async def known(self, tenant_id: str, queue_id: str) -> set[str]:
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT address FROM relay_outcome WHERE tenant_id = $1 AND queue_id = $2
                   UNION SELECT unnest(recipients) FROM queue_item WHERE tenant_id = $1 AND queue_id = $2""",
                UUID(tenant_id),
                queue_id,
            )
        return {row[0] for row in rows}

    async def record_first(
        self,
        letter: SpooledLetter,
        payload: bytes,
        settled: Sequence[Outcome],
        postponed: Sequence[Postponed],
        attempts: Sequence[Attempt],
        taken: TakenOver = TakenOver.NOW,
    ) -> None:
        await self._firsts.do(FirstResult(letter.envelope, payload, settled, attempts, postponed, taken))

    async def _record_firsts(self, results: Sequence[FirstResult]) -> Sequence[None]:
        async with transaction(self._pool, OPERATOR) as connection:
            await record_firsts(connection, results)
            events = await self.telling.happened(connection, firsts_events(results))
        self.telling.told(events)
        return [None] * len(results)

    async def put_off(self, untried: Sequence[PutOff]) -> None:
        async with transaction(self._pool, OPERATOR) as connection:
            await postpone(connection, untried)
            now = datetime.now(UTC)
            taken_over = {
                each.envelope.queue_id: each.envelope for each in untried if each.taken is TakenOver.NOW
            }
            events = await self.telling.happened(
                connection, [queued(each, now) for each in taken_over.values()]
            )
        self.telling.told(events)

    async def delivered(self, tenant_id: str, queue_ids: Sequence[str]) -> list[tuple[str, str]]:
        """(queue id, address) of those of these messages that another system has taken."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT queue_id, address FROM relay_outcome
                   WHERE tenant_id = $1 AND queue_id = ANY($2::text[]) AND outcome = 'delivered' LIMIT 1000""",
                UUID(tenant_id),
                list(queue_ids),
            )
        return [(row[0], row[1]) for row in rows]

    async def reported(self, events: Sequence[Event]) -> None:
        """What came back later."""
        async with transaction(self._pool, OPERATOR) as connection:
            found = await self.telling.happened(connection, events)
        self.telling.told(found)

    async def record_retry(
        self,
        item: Item,
        settled: Sequence[Outcome],
        waiting: Sequence[Outcome],
        next_attempt_at: datetime | None,
        attempts: Sequence[Attempt],
    ) -> bool:
        return await self._laters.do(LaterResult(item, settled, attempts, waiting, next_attempt_at))

    async def record_part(self, item: Item, part: Part, now: datetime) -> bool:
        # Due at once, where this process dies or gives it back.
        return await self._laters.do(
            LaterResult(item, part.settled, part.attempts, part.waiting, now, True, part.kept_until)
        )

    async def _record_laters(self, results: Sequence[LaterResult]) -> Sequence[bool]:
        async with transaction(self._pool, OPERATOR) as connection:
            done = await record_laters(connection, results)
            counted = [each for number, each in enumerate(results) if number in done]
            events = await self.telling.happened(connection, laters_events(counted))
        self.telling.told(events)
        return [number in done for number in range(len(results))]

    async def notices_due(self, limit: int, older_than: datetime, skip: int = 0) -> list[Due]:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT tenant_id, queue_id, address, status, reply, host, notice_due FROM relay_outcome
                   WHERE notice_due IS NOT NULL AND settled_at < $1
                   ORDER BY settled_at, tenant_id, queue_id, address LIMIT $2 OFFSET $3""",
                older_than,
                limit,
                skip,
            )
        return dues(rows)

    async def notice_made(self, tenant_id: str, queue_id: str, addresses: Sequence[str]) -> None:
        async with transaction(self._pool, tenant_id) as connection:
            await connection.execute(
                """UPDATE relay_outcome SET notice_due = NULL
                   WHERE tenant_id = $1 AND queue_id = $2 AND address = ANY($3::text[])""",
                UUID(tenant_id),
                queue_id,
                list(addresses),
            )

    async def delayed(self, limit: int, now: datetime, again_at: datetime) -> list[Delayed]:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """UPDATE queue_item SET warn_at = $3 WHERE item_id IN (
                       SELECT item_id FROM queue_item WHERE status = 'waiting' AND warn_at IS NOT NULL AND warn_at <= $2
                       ORDER BY warn_at LIMIT $1 FOR UPDATE SKIP LOCKED)
                   RETURNING item_id, tenant_id, queue_id, payload, recipients, replies, last_host, expires_at""",
                limit,
                now,
                again_at,
            )
        return [
            Delayed(
                item_id=row["item_id"],
                tenant_id=str(row["tenant_id"]),
                queue_id=row["queue_id"],
                payload=row["payload"],
                outcomes=tuple(
                    Outcome(
                        address, Verdict.DEFERRED, parse_reply(reply or NOT_YET_TRIED, ""), row["last_host"]
                    )
                    for address, reply in zip_longest(
                        row["recipients"], row["replies"][: len(row["recipients"])]
                    )
                ),
                expires_at=row["expires_at"],
            )
            for row in rows
        ]

    async def warned(self, tenant_id: str, item_id: int) -> None:
        async with transaction(self._pool, tenant_id) as connection:
            await connection.execute(
                "UPDATE queue_item SET warn_at = NULL WHERE tenant_id = $1 AND item_id = $2",
                UUID(tenant_id),
                item_id,
            )

    async def end_holds(self, limit: int, now: datetime) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                # What would have expired meanwhile is tried once more, as Release has it too (adapters.changes).
                """UPDATE queue_item SET status = 'waiting', hold_reason = '', held_until = NULL,
                          next_attempt_at = greatest(release_at, $2::timestamptz),
                          expires_at = greatest(expires_at, $2::timestamptz)
                   WHERE item_id IN (SELECT item_id FROM queue_item WHERE status = 'held' AND held_until <= $2
                                     ORDER BY held_until LIMIT $1 FOR UPDATE SKIP LOCKED)""",
                limit,
                now,
            )
        return int(done.rpartition(" ")[2])

    async def give_up_overdue(self, limit: int, expired_before: datetime) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(OVERDUE, expired_before, limit, EXPIRED, NEVER_TRIED)
            events = await self.telling.happened(
                connection, given_up([row for row in rows if row["queue_id"] is not None])
            )
        self.telling.told(events)
        return sum(row["items"] for row in rows)

    async def forget_attempts(self, limit: int, before: datetime) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                """DELETE FROM queue_attempt WHERE (tenant_id, queue_id, attempt_id) IN (
                       SELECT tenant_id, queue_id, attempt_id FROM queue_attempt WHERE started_at < $2 LIMIT $1)""",
                limit,
                before,
            )
        return int(done.rpartition(" ")[2])

    async def forget_outcomes(self, limit: int, before: datetime) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                """DELETE FROM relay_outcome WHERE ctid = ANY(ARRAY(
                       SELECT ctid FROM relay_outcome WHERE settled_at < $2 AND notice_due IS NULL LIMIT $1))""",
                limit,
                before,
            )
        return int(done.rpartition(" ")[2])

    async def waiting(self) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            return int(await connection.fetchval("SELECT count(*) FROM queue_item"))


def dues(rows: Sequence[asyncpg.Record]) -> list[Due]:
    """Rows of relay_outcome whose notice is due, by message."""
    by_message: dict[tuple[UUID, str], list[asyncpg.Record]] = {}
    for row in rows:
        by_message.setdefault((row["tenant_id"], row["queue_id"]), []).append(row)
    return [
        Due(
            str(tenant_id),
            queue_id,
            group[0]["notice_due"],
            tuple(_outcome(row) for row in group),
        )
        for (tenant_id, queue_id), group in by_message.items()
    ]


def _outcome(row: asyncpg.Record) -> Outcome:
    """Success is only told of where nobody else will; what expired failed with a reply that was not final."""
    reply = parse_reply(row["reply"], row["status"])
    if judge(reply) is Verdict.DELIVERED:
        return Outcome(row["address"], Verdict.DELIVERED, reply, row["host"], Passed.NOT_ON, Relayed.TOLD)
    return Outcome(row["address"], Verdict.FAILED, reply, row["host"])


def firsts_events(results: Sequence[FirstResult]) -> Iterator[Event]:
    """What first attempts came to."""
    now = datetime.now(UTC)
    for each in results:
        if each.taken is TakenOver.NOW:
            yield queued(each.envelope, now)
        waiting = [
            Outcome(address, Verdict.DEFERRED, parse_reply(reply, ""), postponed.last_host)
            for postponed in each.postponed
            if postponed.attempts
            for address, reply in zip(postponed.recipients, postponed.replies, strict=True)
        ]
        yield from of_results(each.envelope, each.attempts, each.settled, waiting, now)


def laters_events(results: Sequence[LaterResult]) -> Iterator[Event]:
    """What later attempts came to."""
    now = datetime.now(UTC)
    for each in results:
        waiting = () if each.is_part else each.waiting
        yield from of_results(each.envelope, each.attempts, each.settled, waiting, now)
