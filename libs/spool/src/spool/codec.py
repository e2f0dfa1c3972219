"""Envelopes and spooled letters to octets and back; protobuf stays in here."""

from collections.abc import Iterable
from dataclasses import dataclass

from blobstore import BodyReference
from google.protobuf.message import DecodeError
from mailmsg.facts import MessageFacts
from mailproto.smtp.dsn_request import (
    MESSAGE_DEFAULT,
    RECIPIENT_DEFAULT,
    MessageRequest,
    Notify,
    RecipientRequest,
    Ret,
)
from mailwire.spool.v1 import spool_pb2 as wire

from spool.envelope import Envelope, EnvelopeRecipient, OwnCopies, Source
from spool.speaker import Handling
from spool.speaker_codec import HANDLING, HANDLING_BACK, speaker_of, speaker_to_wire
from spool.timestamps import instant, timestamp
from spool.wishes_codec import put_wishes, wishes_of

NOTIFY = {
    Notify.NEVER: wire.NOTIFY_NEVER,
    Notify.SUCCESS: wire.NOTIFY_SUCCESS,
    Notify.FAILURE: wire.NOTIFY_FAILURE,
    Notify.DELAY: wire.NOTIFY_DELAY,
}
NOTIFY_BACK = {value: key for key, value in NOTIFY.items()}
SOURCE = {source: wire.Source.ValueType(source.value) for source in Source}
RET = {None: wire.RET_UNSPECIFIED, Ret.FULL: wire.RET_FULL, Ret.HEADERS: wire.RET_HEADERS}
RET_BACK = {value: key for key, value in RET.items()}
# The fields of SpooledMessage before their lengths: numbers 1 to 3, length-delimited.
ENVELOPE_TAG, BODY_TAG, FACTS_TAG = b"\x0a", b"\x12", b"\x1a"


class Malformed(Exception):
    """These octets are no envelope of ours."""


@dataclass(frozen=True, slots=True)
class SpooledLetter:
    """What travels on the bus: the envelope, where the body lies, what was parsed at the gate."""

    envelope: Envelope
    body: BodyReference
    facts: MessageFacts


def envelope_to_wire(envelope: Envelope) -> wire.Envelope:
    """The generated type of an envelope. What nearly no message has is put in where it is there."""
    message = wire.Envelope(
        queue_id=envelope.queue_id,
        tenant_id=envelope.tenant_id,
        reverse_path=envelope.reverse_path,
        recipients=[_recipient(recipient) for recipient in envelope.recipients],
        arrived_at=timestamp(envelope.arrived_at),
        digest=envelope.digest,
        size_octets=envelope.size_octets,
        trace_prefix=envelope.trace_prefix,
        source=SOURCE[envelope.source],
        helo=envelope.helo,
        client_address=envelope.client_address,
        sender_account_id=envelope.sender_account_id,
        smtputf8=envelope.smtputf8,
        eight_bit=envelope.eight_bit or envelope.binary,
        binary=envelope.binary,
        handling=HANDLING[envelope.handling],
    )
    if envelope.request is not MESSAGE_DEFAULT:
        message.ret = RET[envelope.request.ret]
        message.envelope_id = envelope.request.envelope_id
    if envelope.speaker is not None:
        message.speaker.CopyFrom(speaker_to_wire(envelope.speaker))
    put_wishes(message, envelope.wishes)
    if (own := envelope.own_copies) is not None:
        message.own_copies.reverse_path = own.reverse_path
        message.own_copies.fields = own.fields
        message.own_copies.signing_domain = own.signing_domain
    return message


def _recipient(recipient: EnvelopeRecipient) -> wire.Recipient:
    if recipient.account_id is None:
        message = wire.Recipient(
            recipient_class=wire.RECIPIENT_CLASS_RELAY,
            address=recipient.address,
            original_address=recipient.original_address,
        )
    else:
        message = wire.Recipient(
            recipient_class=wire.RECIPIENT_CLASS_LOCAL,
            address=recipient.address,
            original_address=recipient.original_address,
            account_id=recipient.account_id,
        )
    if recipient.request is not RECIPIENT_DEFAULT:
        message.notify.extend([NOTIFY[each] for each in recipient.request.notify or ()])
        message.original_recipient = recipient.request.original_recipient
    if recipient.token:
        message.token = recipient.token
    return message


def envelope_from_wire(message: wire.Envelope) -> Envelope:
    """Raises Malformed where a field that must be there is not."""
    if not message.queue_id or not message.tenant_id or not message.recipients:
        raise Malformed("an envelope needs a queue id, a tenant and recipients")
    try:
        source = Source(message.source)
    except ValueError as error:
        raise Malformed(f"unknown source {message.source}") from error
    return Envelope(
        queue_id=message.queue_id,
        tenant_id=message.tenant_id,
        reverse_path=message.reverse_path,
        recipients=tuple(
            EnvelopeRecipient(
                recipient.address,
                recipient.original_address,
                recipient.account_id if recipient.recipient_class == wire.RECIPIENT_CLASS_LOCAL else None,
                RecipientRequest(_notify(recipient.notify), recipient.original_recipient),
                recipient.token,
            )
            for recipient in message.recipients
        ),
        arrived_at=instant(message.arrived_at),
        digest=message.digest,
        size_octets=message.size_octets,
        trace_prefix=message.trace_prefix,
        source=source,
        helo=message.helo,
        client_address=message.client_address,
        sender_account_id=message.sender_account_id,
        smtputf8=message.smtputf8,
        eight_bit=message.eight_bit,
        binary=message.binary,
        request=MessageRequest(RET_BACK.get(message.ret), message.envelope_id),
        speaker=speaker_of(message),
        handling=HANDLING_BACK.get(message.handling, Handling.USUAL),
        wishes=wishes_of(message),
        own_copies=_own_copies(message) if message.HasField("own_copies") else None,
    )


def _own_copies(message: wire.Envelope) -> OwnCopies:
    own = message.own_copies
    return OwnCopies(own.reverse_path, own.fields, own.signing_domain)


def _notify(values: Iterable[wire.Notify.ValueType]) -> Notify | None:
    """What a newer writer may mean by a value that is not known here is not asked for."""
    found = Notify(0)
    for value in values:
        found |= NOTIFY_BACK.get(value, Notify(0))
    return found or None


def encode_envelope(envelope: Envelope) -> bytes:
    """As it stands before the message in its object."""
    return envelope_to_wire(envelope).SerializeToString()


def decode_envelope(data: bytes) -> Envelope:
    """Raises Malformed."""
    try:
        return envelope_from_wire(wire.Envelope.FromString(data))
    except (DecodeError, OverflowError) as error:
        raise Malformed("not an envelope") from error


def facts_to_wire(facts: MessageFacts) -> wire.Facts:
    """The generated type of what was parsed."""
    return wire.Facts(
        header_octets=facts.header_octets,
        header=facts.header,
        envelope=facts.envelope,
        bodystructure=facts.bodystructure,
        body=facts.body,
        parts=facts.parts,
        sent_at=None if facts.sent_at is None else timestamp(facts.sent_at),
        list_id=facts.list_id,
        has_attachments=facts.has_attachments,
    )


def join(envelope: bytes, body: BodyReference, facts: bytes) -> bytes:
    """The payload for all recipients of an envelope; that and the facts are encoded already.

    An encoded message's fields simply stand one after the other, so what is encoded is not encoded again.
    """
    place = _body_to_wire(body).SerializeToString()
    parts = (
        *(ENVELOPE_TAG, _varint(len(envelope)), envelope),
        *(BODY_TAG, _varint(len(place)), place),
        *(FACTS_TAG, _varint(len(facts)), facts),
    )
    return b"".join(parts)


def _varint(value: int) -> bytes:
    """As protobuf writes lengths: seven bits an octet, the lowest first."""
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _body_to_wire(body: BodyReference) -> wire.BodyReference:
    return wire.BodyReference(
        object_key=body.object_key, offset=body.offset, length=body.length, digest=body.digest
    )


def encode(
    envelope: Envelope,
    recipients: Iterable[EnvelopeRecipient],
    body: BodyReference,
    facts: wire.Facts,
) -> bytes:
    """The payload for those recipients of an envelope."""
    message = wire.SpooledMessage(
        envelope=envelope_to_wire(envelope),
        body=_body_to_wire(body),
        facts=facts,
    )
    chosen = set(recipients)
    if len(chosen) != len(envelope.recipients):
        kept = [
            recipient
            for recipient, known in zip(message.envelope.recipients, envelope.recipients, strict=True)
            if known in chosen
        ]
        del message.envelope.recipients[:]
        message.envelope.recipients.extend(kept)
    return message.SerializeToString()


def decode(payload: bytes) -> SpooledLetter:
    """A payload of mail.local.* or mail.relay.*. Raises Malformed."""
    try:
        return _letter(wire.SpooledMessage.FromString(payload))
    except (DecodeError, OverflowError) as error:
        # Some instant may be none that there is.
        raise Malformed("not a spooled message") from error


def _letter(message: wire.SpooledMessage) -> SpooledLetter:
    facts = message.facts
    addresses = "".join(
        [message.envelope.reverse_path, *(each.address for each in message.envelope.recipients)]
    )
    if "\0" in addresses or "\n" in addresses or "\r" in addresses:
        # What became of it could not be written down, so it would be tried for ever.
        raise Malformed("an address holds NUL or a line break")
    return SpooledLetter(
        envelope=envelope_from_wire(message.envelope),
        body=BodyReference(
            message.body.object_key, message.body.offset, message.body.length, message.body.digest
        ),
        facts=MessageFacts(
            header_octets=facts.header_octets,
            header=facts.header,
            envelope=facts.envelope,
            bodystructure=facts.bodystructure,
            body=facts.body,
            parts=facts.parts,
            sent_at=instant(facts.sent_at) if facts.HasField("sent_at") else None,
            list_id=facts.list_id if facts.HasField("list_id") else None,
            has_attachments=facts.has_attachments if facts.HasField("has_attachments") else None,
        ),
    )
