"""What happened to mail that came for our users, as others are told on the bus (`events.<tenant>`). No I/O.

An event is a JSON object as the mta-queue's are (`mta_queue.core.events`): `id`, `type`, `at`, `tenant_id`, `queue_id`,
`sender`, and what its type adds:

- `delivered`: `recipient`; it lies in at least one mailbox
- `filed`: `recipient`, `account_id`, `mailbox`; one for each copy
- `quarantined`: `recipients`, `findings`
- `refused`: `recipient`, `status`, `reply`; its sender is told, where he may be. By us, or by a script (5.7.1)
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import uuid4

from mailstore import Delivery, Outcome
from spool import Envelope

from mda.core.findings import Finding
from mda.core.told import Refusal

RECIPIENTS_MOST = 1000


class Type(Enum):
    """What happened."""

    DELIVERED = "delivered"
    FILED = "filed"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


Event = dict[str, Any]


def event(happened: Type, envelope: Envelope, at: datetime, **details: Any) -> Event:
    """One, with an id of its own."""
    return {
        "id": uuid4().hex,
        "type": happened.value,
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "tenant_id": envelope.tenant_id,
        "queue_id": envelope.queue_id,
        "sender": envelope.reverse_path,
        **details,
    }


def of_deliveries(
    envelope: Envelope, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome], at: datetime
) -> Iterator[Event]:
    """What was filed now; of what was there already it was told before."""
    told: set[str] = set()
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        if outcome is not Outcome.FILED or delivery.new is None:
            continue
        # Further copies have their mailbox behind a blank (mda.core.sieving).
        recipient = delivery.recipient.partition(" ")[0]
        if recipient not in told:
            told.add(recipient)
            yield event(Type.DELIVERED, envelope, at, recipient=recipient)
        yield event(
            Type.FILED,
            envelope,
            at,
            recipient=recipient,
            account_id=delivery.account.account_id,
            mailbox=delivery.mailbox_name,
        )


def of_quarantine(envelope: Envelope, findings: Sequence[Finding], at: datetime) -> Event:
    """It is kept back."""
    return event(
        Type.QUARANTINED,
        envelope,
        at,
        recipients=[each.address for each in envelope.recipients[:RECIPIENTS_MOST]],
        findings=[f"{each.scanner}: {each.verdict.value} {each.detail}".strip() for each in findings],
    )


def of_refusals(envelope: Envelope, refusals: Mapping[str, Refusal], at: datetime) -> Iterator[Event]:
    """By recipient's address."""
    for recipient, refusal in refusals.items():
        yield event(
            Type.REFUSED, envelope, at, recipient=recipient, status=refusal.status, reply=refusal.reason
        )


def encode(events: Sequence[Event]) -> bytes:
    """As one payload."""
    return json.dumps({"events": events}, separators=(",", ":"), ensure_ascii=False).encode()
