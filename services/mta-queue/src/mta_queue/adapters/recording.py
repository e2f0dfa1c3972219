"""What an attempt came to, written in one statement: the item, what is settled, the history.

A result counts only where `done` has a row: the lease it was made under is still held, or it had none.
"""

from collections.abc import Sequence
from uuid import UUID

from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT
from mailproto.smtp.reply import Reply
from pgkit import Connection
from spool import Envelope

from mta_queue.core.attempt import Attempt
from mta_queue.core.outcome import Outcome, is_to_be_told
from mta_queue.ports import PutOff

REST = """,
settled AS (
    INSERT INTO relay_outcome (tenant_id, queue_id, address, outcome, status, reply, host, notice_due)
    SELECT $1, $2, address, outcome, status, reply, host, CASE WHEN is_told THEN $9::bytea END
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[])
         AS each(address, outcome, status, reply, host, is_told)
    WHERE EXISTS (SELECT FROM done) ON CONFLICT DO NOTHING),
kept AS (
    INSERT INTO queue_attempt (tenant_id, queue_id, domain, started_at, duration_ms, host, address, tls, reply,
                               delivered, deferred, failed)
    SELECT $1, $2, each.* FROM unnest($10::text[], $11::timestamptz[], $12::int[], $13::text[], $14::text[],
                                      $15::text[], $16::text[], $17::int[], $18::int[], $19::int[]) AS each
    WHERE EXISTS (SELECT FROM done))
SELECT count(*) FROM done"""
OF_ITEM = "WHERE tenant_id = $1 AND queue_id = $2 AND domain = $20 AND fencing = $21 RETURNING 1"
FIRST = "WITH done AS (SELECT 1)" + REST
ENDED = " ".join(("WITH done AS (DELETE FROM queue_item", OF_ITEM + ")" + REST))
WAITS_ON = " ".join(
    (
        "WITH done AS (UPDATE queue_item SET recipients = $22, attempts = attempts + 1, next_attempt_at = $23,",
        "lease_until = NULL, last_reply = $24, last_host = $25, replies = $26, tried_at = now()",
        OF_ITEM + ")" + REST,
    )
)
# Lists in lists travel as lines: an address has no line break, and neither has a reply that `reply_text` made.
POSTPONE = r"""
INSERT INTO queue_item (tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts, next_attempt_at,
                        expires_at, last_reply, last_host, replies, warn_at, tried_at)
SELECT tenant_id, queue_id, domain, reverse_path, string_to_array(recipients, E'\n'), payload, attempts,
       next_attempt_at, expires_at, last_reply, last_host, string_to_array(replies, E'\n'), warn_at,
       CASE WHEN attempts > 0 THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int[], $8::timestamptz[],
            $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::timestamptz[])
     AS each(tenant_id, queue_id, domain, reverse_path, recipients, payload, attempts, next_attempt_at, expires_at,
             last_reply, last_host, replies, warn_at)
ON CONFLICT DO NOTHING"""


async def record(
    connection: Connection,
    statement: str,
    envelope: Envelope,
    payload: bytes,
    settled: Sequence[Outcome],
    attempts: Sequence[Attempt],
    *item: object,
) -> bool:
    """FIRST, or with the item's key and values ENDED or WAITS_ON; False where nothing was written."""
    requests = {recipient.address: recipient.request for recipient in envelope.recipients}
    done = await connection.fetchval(
        statement,
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
        *item,
    )
    return bool(done)


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
