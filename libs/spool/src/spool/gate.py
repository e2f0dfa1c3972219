"""The gate: when `accept` returns, the message is safe and 250 may be said (RFC 5321 §4.2.5, §6.1).

1. The message is parsed, once on its whole road.
2. For each tenant among the recipients a record goes to S3 (packed where it can be).
3. One publish, atomic where it is several, tells the mda and the mta-queue. What is
   for one of them alone is told together with its neighbours in the object.

If a step before the publish fails, nothing was accepted. An object that is left
over then is marked `void/`, so that `posthouse respool` does not take it for
accepted mail. What we make ourselves is not: it is tried again under the same
queue id, and accepted then.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from blobstore import BlobStore, BlobUnavailable, BodyReference, TenantGone
from eventbus import BusUnavailable, EventBus
from eventbus import OutcomeUnknown as BusOutcomeUnknown
from eventbus.subjects import local_subject, relay_subject
from mailmsg.facts import MessageFacts, examine
from mailwire.spool.v1 import spool_pb2 as wire

from spool.codec import SpooledLetter, encode, facts_to_wire, join
from spool.envelope import Envelope, EnvelopeRecipient, Source
from spool.letter import Letter
from spool.pack import pack
from spool.packer import Packer, Road
from spool.queue_id import new_queue_id
from spool.speaker import Handling

# RFC 5321 §4.5.3.2.6: a client waits ten minutes for the answer to its final dot.
PUBLISH_SECONDS = 60.0
# From this size on the parser works in a thread, so that nobody waits for it.
THREAD_OCTETS = 512 * 1024
VOID_PREFIX = "void/"
OURS = (Source.DSN, Source.SIEVE)
SUBJECTS = {Road.LOCAL: local_subject, Road.RELAY: relay_subject}


class SpoolUnavailable(Exception):
    """The message was not accepted; 451 is the answer."""


class NoSuchTenant(SpoolUnavailable):
    """A tenant of the message's was removed: asking again with the same recipients does not help."""


class OutcomeUnknown(Exception):
    """It could not be found out whether the message was accepted: answer nothing, drop the connection.

    The client will try again; a duplicate is possible and a loss is not.
    """


class Spool:
    """The one gate in of a process."""

    def __init__(self, blobs: BlobStore, bus: EventBus) -> None:
        self._blobs = blobs
        self._bus = bus
        self._packer = Packer(blobs, self._tell)

    async def accept(self, letter: Letter) -> None:
        """Returns when the message is durable. Raises SpoolUnavailable or OutcomeUnknown."""
        if not letter.recipients:
            raise ValueError("a letter needs a recipient")
        if not self._bus.connected:
            raise SpoolUnavailable("not connected to the bus")
        content = letter.content
        if len(content) >= THREAD_OCTETS:
            facts, digest = await asyncio.to_thread(_learn, content, letter.added_fields)
        else:
            facts, digest = _learn(content, letter.added_fields)
        envelopes = _envelopes(letter, digest)
        facts_message = facts_to_wire(facts)
        try:
            if len(envelopes) == 1 and (road := _one_road(envelopes[0])) is not None:
                encoded_facts = facts_message.SerializeToString()

                def payload_of(key: str, offset: int, encoded: bytes) -> bytes:
                    return join(encoded, BodyReference(key, offset, len(content), digest), encoded_facts)

                await self._packer.write(envelopes[0], content, payload_of, road)
                return
            places = await asyncio.gather(*(self._packer.write(envelope, content) for envelope in envelopes))
            messages: list[tuple[str, bytes]] = []
            for envelope, (key, offset) in zip(envelopes, places, strict=True):
                body = BodyReference(key, offset, len(content), digest)
                messages += to_publish(envelope, body, facts_message)
            await self._bus.publish_mail(letter.queue_id, messages, PUBLISH_SECONDS)
        except (BlobUnavailable, BusUnavailable) as error:
            await self._void(letter)
            if isinstance(error, TenantGone):
                raise NoSuchTenant(str(error)) from error
            raise SpoolUnavailable(str(error)) from error
        except BusOutcomeUnknown as error:
            raise OutcomeUnknown(str(error)) from error

    async def _tell(self, road: Road, letters: Sequence[tuple[str, bytes]]) -> None:
        """Who is down that road, of (queue id, payload). Raises BusUnavailable or eventbus.OutcomeUnknown."""
        queue_ids = [queue_id for queue_id, _ in letters]
        name, holding = (queue_ids[0], ()) if len(letters) == 1 else (new_queue_id(), queue_ids)
        payload = pack([payload for _, payload in letters])
        await self._bus.publish_mail(name, [(SUBJECTS[road](name), payload)], PUBLISH_SECONDS, holding)

    async def _void(self, letter: Letter) -> None:
        if letter.source in OURS:
            return
        try:
            async with asyncio.timeout(2.0):
                await self._blobs.put(VOID_PREFIX + letter.queue_id, (b"",))
        except (BlobUnavailable, TimeoutError):
            # The storage is away, and the record probably with it; a respool may then
            # deliver what was refused: a duplicate for the client that tried again, never a loss.
            return

    async def release(self, letter: SpooledLetter, addresses: Sequence[str]) -> None:
        """Give local recipients of a message that has waited to the mda; twice is once.

        Raises SpoolUnavailable or OutcomeUnknown.
        """
        envelope = letter.envelope
        recipients = tuple(each for each in envelope.recipients if each.address in addresses)
        released = replace(envelope, recipients=recipients, wishes=replace(envelope.wishes, release_at=None))
        digest = hashlib.sha256("\n".join(sorted(addresses)).encode()).hexdigest()
        message_id = f"{envelope.queue_id}.{envelope.tenant_id[:8]}l{digest[:12]}"
        try:
            await self._bus.publish_mail(
                message_id, to_publish(released, letter.body, facts_to_wire(letter.facts)), PUBLISH_SECONDS
            )
        except BusUnavailable as error:
            raise SpoolUnavailable(str(error)) from error
        except BusOutcomeUnknown as error:
            raise OutcomeUnknown(str(error)) from error

    async def check(self) -> None:
        """Raise while a message could not be accepted."""
        await self._bus.check()
        await self._blobs.check()


def _one_road(envelope: Envelope) -> Road | None:
    """Of what may be told together with others. None: it is told by itself."""
    if envelope.wishes.release_at is not None:
        return None
    roads = {Road.RELAY if each.account_id is None else Road.LOCAL for each in envelope.recipients}
    if len(roads) > 1:
        return None
    [road] = roads
    # What we make ourselves and send out is made twice under one name at times: by that name the bus takes it once.
    return None if road is Road.RELAY and envelope.source in OURS else road


def to_publish(envelope: Envelope, body: BodyReference, facts: wire.Facts) -> list[tuple[str, bytes]]:
    """What tells the mda and the mta-queue of one envelope: (subject, payload), each with its own recipients.

    What is to be released later waits with the mta-queue, whoever gets it.
    """
    if envelope.wishes.release_at is not None:
        return [(relay_subject(envelope.queue_id), encode(envelope, envelope.recipients, body, facts))]
    local = [recipient for recipient in envelope.recipients if recipient.account_id is not None]
    remote = [recipient for recipient in envelope.recipients if recipient.account_id is None]
    messages = []
    if local:
        messages.append((local_subject(envelope.queue_id), encode(envelope, local, body, facts)))
    if remote:
        messages.append((relay_subject(envelope.queue_id), encode(envelope, remote, body, facts)))
    return messages


def _learn(content: bytes, added_fields: bytes) -> tuple[MessageFacts, bytes]:
    facts = examine(content)
    if added_fields:
        # Only what says who, when and what changes; where the parts lie does not.
        whole = examine(added_fields + content[: facts.header_octets])
        facts = replace(facts, envelope=whole.envelope, sent_at=whole.sent_at, list_id=whole.list_id)
    return facts, hashlib.sha256(content).digest()


def _envelopes(letter: Letter, digest: bytes) -> list[Envelope]:
    """One envelope for each tenant among the recipients: walls between tenants begin here."""
    by_tenant: dict[str, list[EnvelopeRecipient]] = {}
    for recipient in letter.recipients:
        by_tenant.setdefault(recipient.tenant_id, []).append(
            EnvelopeRecipient(
                recipient.address,
                recipient.original_address,
                recipient.account_id,
                recipient.request,
                recipient.token,
            )
        )
    return [
        Envelope(
            queue_id=letter.queue_id,
            tenant_id=tenant_id,
            reverse_path=letter.reverse_path,
            recipients=tuple(recipients),
            arrived_at=letter.arrived_at,
            digest=digest,
            size_octets=len(letter.content),
            trace_prefix=letter.trace_prefix + letter.added_fields,
            source=letter.source,
            helo=letter.helo,
            client_address=letter.client_address,
            sender_account_id=letter.sender_account_id,
            smtputf8=letter.smtputf8,
            eight_bit=letter.eight_bit,
            binary=letter.binary,
            request=letter.request,
            speaker=letter.speaker,
            wishes=letter.wishes,
            own_copies=letter.own_copies,
            handling=Handling.QUARANTINE if tenant_id in letter.quarantined_tenants else Handling.USUAL,
        )
        for tenant_id, recipients in by_tenant.items()
    ]
