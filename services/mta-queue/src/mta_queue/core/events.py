"""What happened to mail, as others are told: on the bus (`events.<tenant>`), and by webhooks.

An event is a JSON object: `id`, `type`, `at`, `tenant_id`, `queue_id`, `sender`, and what its type adds:

- `queued`: `recipients`; it was taken over and waits or is being sent
- `attempted`: `domain`, `host`, `address`, `tls`, `reply`, `duration_ms`, `delivered`, `deferred`, `failed`
- `delivered`, `deferred`, `bounced`, `suppressed`: `recipient`, `host`, `status`, `reply`, and for the last three `kind`
  (core.bounces)
- `bounced` and `complained` that came back later: `recipient`, `reply`, `kind`, and `reported_by`
- `new_device` and `suspicious_login`, of a login and no message, so without `queue_id` and `sender`: `account_id`, `address`,
  `service`, `client_address`, `new_device`, `suspicious`
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from secrets import token_hex
from typing import Any, assert_never

from mailproto.smtp.reply import Reply
from spool import Envelope

from mta_queue.core.attempt import Attempt
from mta_queue.core.bounces import classify
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.suppression import is_refusal

RECIPIENTS_MOST = 1000


class Type(Enum):
    """What happened."""

    QUEUED = "queued"
    ATTEMPTED = "attempted"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    COMPLAINED = "complained"
    # Of logins (core.logins).
    NEW_DEVICE = "new_device"
    SUSPICIOUS_LOGIN = "suspicious_login"


Event = dict[str, Any]


def event(happened: Type, envelope: Envelope, at: datetime, **details: Any) -> Event:
    """One, with an id of its own."""
    return of_message(happened, envelope.tenant_id, envelope.queue_id, envelope.reverse_path, at, **details)


def of_message(
    happened: Type, tenant_id: str, queue_id: str, sender: str, at: datetime, **details: Any
) -> Event:
    """The same, where there is no envelope any more."""
    return {
        "id": token_hex(16),
        "type": happened.value,
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "tenant_id": tenant_id,
        "queue_id": queue_id,
        "sender": sender,
        **details,
    }


def queued(envelope: Envelope, at: datetime) -> Event:
    """It was taken over."""
    recipients = [each.address for each in envelope.recipients[:RECIPIENTS_MOST]]
    return event(Type.QUEUED, envelope, at, recipients=recipients)


def of_results(
    envelope: Envelope,
    attempts: Sequence[Attempt],
    settled: Sequence[Outcome],
    waiting: Sequence[Outcome],
    at: datetime,
) -> Iterator[Event]:
    """What an attempt came to."""
    for each in attempts:
        yield event(
            Type.ATTEMPTED,
            envelope,
            each.started_at,
            domain=each.domain,
            host=each.host,
            address=each.address,
            tls=each.tls,
            reply=_words(each.reply),
            duration_ms=round(each.duration_seconds * 1000),
            delivered=each.delivered,
            deferred=each.deferred,
            failed=each.failed,
        )
    for outcome in (*settled, *waiting):
        yield of_outcome(envelope.tenant_id, envelope.queue_id, envelope.reverse_path, outcome, at)


def of_outcome(tenant_id: str, queue_id: str, sender: str, outcome: Outcome, at: datetime) -> Event:
    """What became of a recipient."""
    details = {
        "recipient": outcome.address,
        "host": outcome.host,
        "status": outcome.status,
        "reply": _words(outcome.reply),
    }
    if outcome.verdict is not Verdict.DELIVERED:
        details["kind"] = classify(outcome.reply).value
    return of_message(type_of(outcome), tenant_id, queue_id, sender, at, **details)


def type_of(outcome: Outcome) -> Type:
    """What a recipient's outcome is called."""
    match outcome.verdict:
        case Verdict.DELIVERED:
            return Type.DELIVERED
        case Verdict.DEFERRED:
            return Type.DEFERRED
        case Verdict.FAILED:
            return Type.SUPPRESSED if is_refusal(outcome.reply) else Type.BOUNCED
        case _:
            assert_never(outcome.verdict)


def encode(events: Sequence[Event]) -> bytes:
    """As one payload."""
    return json.dumps({"events": events}, separators=(",", ":"), ensure_ascii=False).encode()


def _words(reply: Reply) -> str:
    return " ".join(filter(None, (str(reply.code), reply.enhanced, reply.text)))[:1000]
