"""The queue in PostgreSQL. Any process may take any item; a lease and its number keep two from settling one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from mailproto.smtp.client import Passed
from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT
from mailproto.smtp.reply import Reply
from pgkit import OPERATOR, Connection, Pool, transaction
from spool import Envelope, Malformed, SpooledLetter, decode

from mta_queue.core.attempt import Attempt
from mta_queue.core.outcome import Outcome, Verdict, is_to_be_told, judge
from mta_queue.ports import Due, Item, Postponed

LEASE = """
UPDATE queue_item q SET lease_until = $2::timestamptz, fencing = q.fencing + 1
FROM (SELECT tenant_id, queue_id, domain FROM queue_item
      WHERE status = 'waiting' AND next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until < $1)
      ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) due
WHERE q.tenant_id = due.tenant_id AND q.queue_id = due.queue_id AND q.domain = due.domain
RETURNING q.*"""


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
            for each in postponed:
                await connection.execute(
                    """INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts,
                                               next_attempt_at, expires_at, last_reply, last_host, replies, tried_at)
                       VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $11, now()) ON CONFLICT DO NOTHING""",
                    tenant,
                    envelope.queue_id,
                    each.domain,
                    envelope.reverse_path,
                    list(each.recipients),
                    each.payload,
                    each.next_attempt_at,
                    each.expires_at,
                    each.replies[-1],
                    each.last_host,
                    list(each.replies),
                )
            await _keep(connection, tenant, envelope.queue_id, attempts)

    async def lease_due(self, limit: int, lease_seconds: float, now: datetime) -> list[Item]:
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(LEASE, now, now + timedelta(seconds=lease_seconds), limit)
            items: list[Item] = []
            for row in rows:
                try:
                    items.append(_item(row))
                except Malformed as error:
                    # One row that cannot be read must not stop the others; the operator sees it among the held.
                    await connection.execute(
                        "UPDATE queue_item SET status = 'held', lease_until = NULL, hold_reason = $2 WHERE item_id = $1",
                        row["item_id"],
                        f"its envelope cannot be read: {error}",
                    )
        return items

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


def _item(row: asyncpg.Record) -> Item:
    """Raises Malformed."""
    return Item(
        letter=decode(row["payload"]),
        payload=row["payload"],
        domain=row["domain"],
        recipients=tuple(row["recipients"]),
        attempts=row["attempts"],
        expires_at=row["expires_at"],
        fencing=row["fencing"],
        route=row["route"],
    )


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
