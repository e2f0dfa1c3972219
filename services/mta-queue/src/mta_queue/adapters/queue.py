"""The queue in PostgreSQL. Any process may take any item; a lease and its number keep two from settling one."""

from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest
from uuid import UUID

import asyncpg
from mailproto.smtp.client import Passed
from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT
from mailproto.smtp.reply import Reply
from pgkit import OPERATOR, Connection, Pool, transaction
from spool import Envelope, SpooledLetter

from mta_queue.core.attempt import Attempt
from mta_queue.core.outcome import EXPIRED, Outcome, Verdict, is_to_be_told, judge
from mta_queue.ports import Delayed, Due, Item, Postponed, PutOff

INSERT = """
INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts, next_attempt_at,
                        expires_at, last_reply, last_host, replies, warn_at, tried_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $7 > 0 THEN now() END)
ON CONFLICT DO NOTHING"""
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
    ON CONFLICT DO NOTHING)
SELECT count(*) FROM gone"""
NEVER_TRIED = "451 It had no turn before its time was over"


class SqlQueue:
    """Satisfies ports.Queue."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

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
    ) -> None:
        envelope = letter.envelope
        tenant = UUID(envelope.tenant_id)
        async with transaction(self._pool, envelope.tenant_id) as connection:
            await _settle(connection, envelope, payload, settled)
            if postponed:
                await _postpone(connection, [PutOff(envelope, each) for each in postponed])
            await _keep(connection, tenant, envelope.queue_id, attempts)

    async def put_off(self, untried: Sequence[PutOff]) -> None:
        async with transaction(self._pool, OPERATOR) as connection:
            await _postpone(connection, untried)

    async def record_retry(
        self,
        item: Item,
        settled: Sequence[Outcome],
        waiting: Sequence[Outcome],
        next_attempt_at: datetime | None,
        attempts: Sequence[Attempt],
    ) -> bool:
        envelope = item.letter.envelope
        tenant = UUID(envelope.tenant_id)
        key = (tenant, envelope.queue_id, item.domain, item.fencing)
        async with transaction(self._pool, envelope.tenant_id) as connection:
            if waiting:
                last = waiting[-1]
                done = await connection.execute(
                    """UPDATE queue_item SET recipients = $5, attempts = attempts + 1, next_attempt_at = $6,
                              lease_until = NULL, last_reply = $7, last_host = $8, replies = $9, tried_at = now()
                       WHERE tenant_id = $1 AND queue_id = $2 AND domain = $3 AND fencing = $4""",
                    *key,
                    [outcome.address for outcome in waiting],
                    next_attempt_at,
                    reply_text(last.reply),
                    last.host,
                    [reply_text(outcome.reply) for outcome in waiting],
                )
            else:
                done = await connection.execute(
                    "DELETE FROM queue_item WHERE tenant_id = $1 AND queue_id = $2 AND domain = $3 AND fencing = $4",
                    *key,
                )
            if done.endswith(" 0"):
                return False
            await _settle(connection, envelope, item.payload, settled)
            await _keep(connection, tenant, envelope.queue_id, attempts)
        return True

    async def notices_due(self, limit: int, older_than: datetime) -> list[Due]:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT tenant_id, queue_id, address, status, reply, host, notice_due FROM relay_outcome
                   WHERE notice_due IS NOT NULL AND settled_at < $1 ORDER BY settled_at LIMIT $2""",
                older_than,
                limit,
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
                        address, Verdict.DEFERRED, parse_reply(reply or NEVER_TRIED, ""), row["last_host"]
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

    async def give_up_overdue(self, limit: int, expired_before: datetime) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            return int(await connection.fetchval(OVERDUE, expired_before, limit, EXPIRED, NEVER_TRIED))

    async def forget_attempts(self, limit: int, before: datetime) -> int:
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                """DELETE FROM queue_attempt WHERE (tenant_id, queue_id, attempt_id) IN (
                       SELECT tenant_id, queue_id, attempt_id FROM queue_attempt WHERE started_at < $2 LIMIT $1)""",
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
        return Outcome(row["address"], Verdict.DELIVERED, reply, row["host"], Passed.NOT_ON)
    return Outcome(row["address"], Verdict.FAILED, reply, row["host"])


async def _postpone(connection: Connection, untried: Sequence[PutOff]) -> None:
    """In the order of their lanes, so that two that do this at once do not wait for each other in a ring."""
    rows = [
        (
            UUID(each.envelope.tenant_id),
            each.envelope.queue_id,
            each.postponed.domain,
            each.envelope.reverse_path,
            list(each.postponed.recipients),
            each.postponed.payload,
            each.postponed.attempts,
            each.postponed.next_attempt_at,
            each.postponed.expires_at,
            each.postponed.replies[-1],
            each.postponed.last_host,
            list(each.postponed.replies),
            each.postponed.warn_at if each.envelope.reverse_path else None,
        )
        for each in untried
    ]
    await connection.executemany(INSERT, sorted(rows, key=lambda row: (row[0], row[2])))


async def _keep(connection: Connection, tenant: UUID, queue_id: str, attempts: Sequence[Attempt]) -> None:
    """The history of the message."""
    if not attempts:
        return
    await connection.execute(
        """INSERT INTO queue_attempt (tenant_id, queue_id, domain, started_at, duration_ms, host, address, tls, reply,
                                      delivered, deferred, failed)
           SELECT $1, $2, * FROM unnest($3::text[], $4::timestamptz[], $5::int[], $6::text[], $7::text[], $8::text[],
                                        $9::text[], $10::int[], $11::int[], $12::int[])""",
        tenant,
        queue_id,
        [each.domain for each in attempts],
        [each.started_at for each in attempts],
        [round(each.duration_seconds * 1000) for each in attempts],
        [each.host for each in attempts],
        [each.address for each in attempts],
        [each.tls for each in attempts],
        [whole_reply(each.reply) for each in attempts],
        [each.delivered for each in attempts],
        [each.deferred for each in attempts],
        [each.failed for each in attempts],
    )


async def _settle(
    connection: Connection, envelope: Envelope, payload: bytes, settled: Sequence[Outcome]
) -> None:
    if not settled:
        return
    requests = {recipient.address: recipient.request for recipient in envelope.recipients}
    await connection.execute(
        """INSERT INTO relay_outcome (tenant_id, queue_id, address, outcome, status, reply, host, notice_due)
           SELECT $1, $2, a, o, s, r, h, CASE WHEN n THEN $9::bytea END
           FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[]) AS t(a, o, s, r, h, n)
           ON CONFLICT DO NOTHING""",
        UUID(envelope.tenant_id),
        envelope.queue_id,
        [outcome.address for outcome in settled],
        [outcome.verdict.value for outcome in settled],
        [outcome.status for outcome in settled],
        [reply_text(outcome.reply) for outcome in settled],
        [outcome.host for outcome in settled],
        # RFC 5321 §6.1: never a notice to the null reverse-path.
        [
            bool(envelope.reverse_path)
            and is_to_be_told(outcome, requests.get(outcome.address, RECIPIENT_DEFAULT))
            for outcome in settled
        ],
        payload,
    )


def reply_text(reply: Reply) -> str:
    """A reply as one line."""
    return f"{reply.code} {reply.text}"[:1000]


def whole_reply(reply: Reply) -> str:
    """A reply as one line with its enhanced code, for people."""
    return " ".join(part for part in (str(reply.code), reply.enhanced, reply.text) if part)[:1000]


def parse_reply(text: str, status: str) -> Reply:
    """The reply of a line that `reply_text` made."""
    code, _, words = text.partition(" ")
    return Reply.of(int(code), status, words)
