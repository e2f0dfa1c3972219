"""What attempts came to, written many at once in one statement: the items, what is settled, the history.

A result of a leased item counts only where `done` has its number: the lease it was made under is still held. A first
attempt had none, and always counts. A batch is of first attempts or of later ones, never of both: then each
transaction touches lanes in one statement, in their order, and two cannot wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT
from mailproto.smtp.reply import Reply
from pgkit import Connection
from spool import Envelope

from mta_queue.core.attempt import Attempt
from mta_queue.core.outcome import Outcome, is_to_be_told
from mta_queue.ports import Item, Postponed, PutOff, TakenOver

# Lists in lists travel as lines: an address has no line break, and neither has a reply that `reply_text` made.
RESULTS = r"""
WITH ended AS (
    DELETE FROM queue_item q USING unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::bigint[])
         AS each(number, tenant_id, queue_id, domain, fencing)
    WHERE q.tenant_id = each.tenant_id AND q.queue_id = each.queue_id AND q.domain = each.domain
      AND q.fencing = each.fencing RETURNING each.number),
waits AS (
    UPDATE queue_item q SET recipients = string_to_array(each.recipients, E'\n'), attempts = q.attempts + each.counted,
           next_attempt_at = each.next_attempt_at, lease_until = each.kept_until, last_reply = each.last_reply,
           last_host = each.last_host, replies = string_to_array(each.replies, E'\n'), tried_at = now()
    FROM unnest($6::int[], $7::uuid[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::timestamptz[],
                $13::text[], $14::text[], $15::text[], $39::int[], $40::timestamptz[])
         AS each(number, tenant_id, queue_id, domain, fencing, recipients, next_attempt_at, last_reply, last_host,
                 replies, counted, kept_until)
    WHERE q.tenant_id = each.tenant_id AND q.queue_id = each.queue_id AND q.domain = each.domain
      AND q.fencing = each.fencing RETURNING each.number),
done AS (SELECT number FROM ended UNION ALL SELECT number FROM waits UNION ALL SELECT unnest($16::int[])),
settled AS (
    INSERT INTO relay_outcome (tenant_id, queue_id, address, outcome, status, reply, host, notice_due)
    SELECT tenant_id, queue_id, address, outcome, status, reply, host, notice
    FROM unnest($17::int[], $18::uuid[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
                $24::text[], $25::bytea[])
         AS each(number, tenant_id, queue_id, address, outcome, status, reply, host, notice)
    WHERE number IN (SELECT number FROM done) ON CONFLICT DO NOTHING),
kept AS (
    INSERT INTO queue_attempt (tenant_id, queue_id, domain, started_at, duration_ms, host, address, tls, reply,
                               delivered, deferred, failed)
    SELECT tenant_id, queue_id, domain, started_at, duration_ms, host, address, tls, reply, delivered, deferred, failed
    FROM unnest($26::int[], $27::uuid[], $28::text[], $29::text[], $30::timestamptz[], $31::int[], $32::text[],
                $33::text[], $34::text[], $35::text[], $36::int[], $37::int[], $38::int[])
         AS each(number, tenant_id, queue_id, domain, started_at, duration_ms, host, address, tls, reply,
                 delivered, deferred, failed)
    WHERE number IN (SELECT number FROM done))
SELECT number FROM done"""
POSTPONE = r"""
INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts, next_attempt_at,
                        expires_at, last_reply, last_host, replies, warn_at, release_at, priority, urgency, tried_at)
SELECT tenant_id, queue_id, domain, reverse_path, string_to_array(recipients, E'\n'), payload, attempts,
       next_attempt_at, expires_at, last_reply, last_host, string_to_array(replies, E'\n'), warn_at, release_at,
       priority, sign(priority)::smallint, CASE WHEN attempts > 0 THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int[], $8::timestamptz[],
            $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[],
            $15::smallint[])
     AS each(tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts, next_attempt_at, expires_at,
             last_reply, last_host, replies, warn_at, release_at, priority)
ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class FirstResult:
    """What a first attempt came to."""

    envelope: Envelope
    payload: bytes
    settled: Sequence[Outcome]
    attempts: Sequence[Attempt]
    postponed: Sequence[Postponed]
    taken: TakenOver = TakenOver.NOW


@dataclass(frozen=True, slots=True)
class LaterResult:
    """What another attempt came to. Without anybody `waiting` the item ends.

    Of a part of one (`is_part`) the item stays under its lease until `kept_until`.
    """

    item: Item
    settled: Sequence[Outcome]
    attempts: Sequence[Attempt]
    waiting: Sequence[Outcome]
    next_attempt_at: datetime | None
    is_part: bool = False
    kept_until: datetime | None = None

    @property
    def envelope(self) -> Envelope:
        return self.item.letter.envelope

    @property
    def payload(self) -> bytes:
        return self.item.payload


async def record_firsts(connection: Connection, results: Sequence[FirstResult]) -> None:
    """In a transaction of the operator's."""
    numbered = list(enumerate(results))
    written = [(number, each) for number, each in numbered if each.settled or each.attempts]
    if written:
        await connection.execute(
            RESULTS,
            *_key([]),
            *_key([]),
            *([],) * 5,
            [number for number, _ in written],
            *_rest(written),
            *([],) * 2,
        )
    await postpone(
        connection, [PutOff(each.envelope, postponed) for each in results for postponed in each.postponed]
    )


async def record_laters(connection: Connection, results: Sequence[LaterResult]) -> set[int]:
    """In a transaction of the operator's. The places in `results` of those whose lease was still held."""
    numbered = list(enumerate(results))
    waiting = [(number, each) for number, each in numbered if each.waiting]
    # A plan that was made when the table was empty must not read all of it when it is full.
    await connection.execute("SELECT set_config('enable_seqscan', 'off', true)")
    rows = await connection.fetch(
        RESULTS,
        *_key([(number, each) for number, each in numbered if not each.waiting]),
        *_key(waiting),
        ["\n".join(outcome.address for outcome in each.waiting) for _, each in waiting],
        [each.next_attempt_at for _, each in waiting],
        [reply_text(each.waiting[-1].reply) for _, each in waiting],
        [each.waiting[-1].host for _, each in waiting],
        ["\n".join(reply_text(outcome.reply) for outcome in each.waiting) for _, each in waiting],
        [],
        *_rest(numbered),
        [0 if each.is_part else 1 for _, each in waiting],
        [each.kept_until for _, each in waiting],
    )
    return {row[0] for row in rows}


def _key(entries: Sequence[tuple[int, LaterResult]]) -> tuple[list[object], ...]:
    return (
        [number for number, _ in entries],
        [UUID(each.envelope.tenant_id) for _, each in entries],
        [each.envelope.queue_id for _, each in entries],
        [each.item.domain for _, each in entries],
        [each.item.fencing for _, each in entries],
    )


def _rest(entries: Sequence[tuple[int, FirstResult | LaterResult]]) -> tuple[Sequence[object], ...]:
    settled = [(number, each, outcome) for number, each in entries for outcome in each.settled]
    notices = [notice for _, each in entries for notice in _notices(each)]
    attempts = [(number, each.envelope, attempt) for number, each in entries for attempt in each.attempts]
    return (
        [number for number, _, _ in settled],
        [each.envelope.tenant_id for _, each, _ in settled],
        [each.envelope.queue_id for _, each, _ in settled],
        [outcome.address for _, _, outcome in settled],
        [outcome.verdict.value for _, _, outcome in settled],
        [outcome.status for _, _, outcome in settled],
        [reply_text(outcome.reply) for _, _, outcome in settled],
        [outcome.host for _, _, outcome in settled],
        notices,
        [number for number, _, _ in attempts],
        [envelope.tenant_id for _, envelope, _ in attempts],
        [envelope.queue_id for _, envelope, _ in attempts],
        [each.domain for _, _, each in attempts],
        [each.started_at for _, _, each in attempts],
        [round(each.duration_seconds * 1000) for _, _, each in attempts],
        [each.host for _, _, each in attempts],
        [each.address for _, _, each in attempts],
        [each.tls for _, _, each in attempts],
        [whole_reply(each.reply) for _, _, each in attempts],
        [each.delivered for _, _, each in attempts],
        [each.deferred for _, _, each in attempts],
        [each.failed for _, _, each in attempts],
    )


def _notices(result: FirstResult | LaterResult) -> list[bytes | None]:
    """For each that is settled what its notice is made of, where one is due."""
    # RFC 5321 §6.1: never a notice to the null reverse-path.
    if not result.envelope.reverse_path:
        return [None] * len(result.settled)
    requests = {each.address: each.request for each in result.envelope.recipients}
    return [
        result.payload if is_to_be_told(each, requests.get(each.address, RECIPIENT_DEFAULT)) else None
        for each in result.settled
    ]


async def postpone(connection: Connection, waiting: Sequence[PutOff]) -> None:
    """Items for what waits, of any tenants that the transaction sees."""
    if not waiting:
        return
    items = [(each.envelope, each.postponed) for each in waiting]
    await connection.execute(
        POSTPONE,
        [UUID(envelope.tenant_id) for envelope, _ in items],
        [envelope.queue_id for envelope, _ in items],
        [each.domain for _, each in items],
        [envelope.reverse_path for envelope, _ in items],
        ["\n".join(each.recipients) for _, each in items],
        [each.payload for _, each in items],
        [each.attempts for _, each in items],
        [each.next_attempt_at for _, each in items],
        [each.expires_at for _, each in items],
        [each.replies[-1] for _, each in items],
        [each.last_host for _, each in items],
        ["\n".join(each.replies) for _, each in items],
        [each.warn_at if envelope.reverse_path else None for envelope, each in items],
        [each.release_at for _, each in items],
        [envelope.wishes.priority for envelope, _ in items],
    )


def reply_text(reply: Reply) -> str:
    """A reply as one line."""
    return _line(f"{reply.code} {reply.text}")


def whole_reply(reply: Reply) -> str:
    """A reply as one line with its enhanced code, for people."""
    return _line(" ".join(part for part in (str(reply.code), reply.enhanced, reply.text) if part))


def _line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")[:1000]


def parse_reply(text: str, status: str) -> Reply:
    """The reply of a line that `reply_text` made."""
    code, _, words = text.partition(" ")
    return Reply.of(int(code), status, words)
