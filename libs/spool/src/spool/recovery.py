"""Put back what was accepted and is on its way no more (`posthouse respool`).

When the bus has lost its stream, the objects still say what was accepted. Each
record is compared with what is settled (filed, sent, failed, or waiting in the
queue's table) and with what the bus still holds; the rest is published again
under its own queue id. Filing and sending are idempotent by (queue id, recipient),
so a record that is put back needlessly is delivered no second time.

Not put back: what was refused (`void/`), what is younger than `settled_for`
(its gate may be at work on it), and what is older than the records of deliveries are kept.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from blobstore import BlobAltered, BlobMissing, BlobStore, BodyReference, KeyUnknown, ObjectInfo
from blobstore.keys import MAIL_PREFIX
from eventbus import EventBus
from mailmsg.facts import examine

from spool.codec import Malformed, facts_to_wire
from spool.envelope import Envelope
from spool.gate import PUBLISH_SECONDS, VOID_PREFIX, to_publish
from spool.record import Record, read_records

# What clients append is no record: only mailboxes know of it.
APPENDED = "append-"
# Which (queue id, recipient) of these queue ids need nothing more.
Settled = Callable[[Sequence[str]], Awaitable[AbstractSet[tuple[str, str]]]]
Told = Callable[["Findings"], None]


@dataclass(slots=True)
class Findings:
    """What was found, in records; `put_back` counts those that were published, or would be."""

    objects: int = 0
    records: int = 0
    settled: int = 0
    refused: int = 0
    on_the_bus: int = 0
    put_back: int = 0
    put_back_recipients: int = 0
    altered: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """The time in which a message must have arrived; aware instants."""

    since: datetime
    until: datetime


class Recovery:
    """One search through the storage."""

    def __init__(self, blobs: BlobStore, bus: EventBus, settled: Settled, *, publish: bool) -> None:
        self._blobs = blobs
        self._bus = bus
        self._settled = settled
        self._publish = publish

    async def run(self, span: Span, told: Told) -> Findings:
        """Search and put back; `told` hears of each object.

        Raises BlobUnavailable, BusUnavailable, OutcomeUnknown, and what `settled` raises; run again, it goes on.
        """
        findings = Findings()
        refused = {item.key.removeprefix(VOID_PREFIX) async for item in self._blobs.list(VOID_PREFIX)}
        waiting = await self._bus.waiting_ids()
        async for item in self._blobs.list(MAIL_PREFIX):
            if _may_hold(item, span):
                await self._look_into(item, span, refused, waiting, findings)
                told(findings)
        return findings

    async def _look_into(
        self,
        item: ObjectInfo,
        span: Span,
        refused: AbstractSet[str],
        waiting: AbstractSet[str],
        findings: Findings,
    ) -> None:
        findings.objects += 1
        try:
            data = await self._blobs.get(item.key)
            records = list(read_records(data))
        except (BlobAltered, KeyUnknown, Malformed):
            # One that nobody can read now keeps no other from being put back.
            findings.unreadable.append(item.key)
            return
        except BlobMissing:
            # Also where the key of its tenant was deleted: nobody is to get it any more.
            return
        settled = await self._settled([record.envelope.queue_id for record in records])
        for record in records:
            envelope = record.envelope
            if not span.since <= envelope.arrived_at <= span.until:
                continue
            findings.records += 1
            left = tuple(
                recipient
                for recipient in envelope.recipients
                if (envelope.queue_id, recipient.address) not in settled
            )
            if not left:
                findings.settled += 1
            elif envelope.queue_id in refused:
                findings.refused += 1
            elif envelope.queue_id in waiting:
                findings.on_the_bus += 1
            elif not await self._put_back(item.key, data, record, replace(envelope, recipients=left)):
                findings.altered.append(envelope.queue_id)
            else:
                findings.put_back += 1
                findings.put_back_recipients += len(left)

    async def _put_back(self, key: str, data: bytes, record: Record, envelope: Envelope) -> bool:
        content = data[record.offset : record.offset + record.length]
        if hashlib.sha256(content).digest() != envelope.digest:
            return False
        if self._publish:
            facts = facts_to_wire(await asyncio.to_thread(examine, content))
            body = BodyReference(key, record.offset, record.length, envelope.digest)
            # A letter to several tenants has one queue id and a record for each.
            message_id = f"{envelope.queue_id}.{envelope.tenant_id[:8]}r"
            await self._bus.publish_mail(message_id, to_publish(envelope, body, facts), PUBLISH_SECONDS)
        return True


def _may_hold(item: ObjectInfo, span: Span) -> bool:
    if item.key.rpartition("/")[2].startswith(APPENDED):
        return False
    # A pack is written at once: no record of it is younger than the object, nor much older.
    return span.since <= item.modified_at <= span.until + timedelta(days=1)
