"""Records: what stands before a message in its object."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp.dsn_request import MessageRequest, Notify, RecipientRequest, Ret
from mailwire.spool.v1 import spool_pb2 as wire
from spool import Envelope, EnvelopeRecipient, Malformed, OwnCopies, Source, read_records
from spool.codec import decode, decode_envelope, encode_envelope, envelope_to_wire
from spool.record import head_of

texts = st.text(max_size=30)
instants = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
)
wishes = st.sampled_from(
    [None, Notify.NEVER, Notify.SUCCESS, Notify.FAILURE | Notify.DELAY, Notify.SUCCESS | Notify.DELAY]
)
recipients = st.builds(
    EnvelopeRecipient,
    texts,
    texts,
    st.one_of(st.none(), texts.filter(bool)),
    st.builds(RecipientRequest, wishes, texts),
    texts,
)
own_copies = st.one_of(st.none(), st.builds(OwnCopies, texts, st.binary(max_size=50), texts))


def envelope_of(content: bytes, **values: object) -> Envelope:
    fields: dict[str, object] = {
        "queue_id": "01J",
        "tenant_id": "t",
        "reverse_path": "a@example.test",
        "recipients": (EnvelopeRecipient("b@example.test", "b@example.test", "acc"),),
        "arrived_at": datetime(2026, 11, 21, 12, 0, 0, 123456, UTC),
        "digest": sha256(content).digest(),
        "size_octets": len(content),
        "trace_prefix": b"Received: x\r\n",
        "source": Source.MX,
        "helo": "h",
        "client_address": "127.0.0.1",
        "sender_account_id": "",
        "smtputf8": False,
        "eight_bit": True,
    }
    return Envelope(**{**fields, **values})  # type: ignore[arg-type]


@given(
    st.lists(recipients, min_size=1, max_size=5).map(tuple),
    texts,
    instants,
    st.binary(max_size=50),
    st.sampled_from(Source),
    st.builds(MessageRequest, st.sampled_from([None, *Ret]), texts),
    own_copies,
)
def test_an_envelope_survives_the_wire(
    to: tuple[EnvelopeRecipient, ...],
    reverse_path: str,
    at: datetime,
    prefix: bytes,
    source: Source,
    request: MessageRequest,
    own: OwnCopies | None,
) -> None:
    envelope = envelope_of(
        b"x",
        own_copies=own,
        recipients=to,
        reverse_path=reverse_path,
        arrived_at=at,
        trace_prefix=prefix,
        source=source,
        request=request,
    )
    assert decode_envelope(encode_envelope(envelope)) == envelope


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_every_message_of_a_pack_is_found_byte_for_byte(contents: list[bytes]) -> None:
    envelopes = [envelope_of(content, queue_id=f"q{number}") for number, content in enumerate(contents)]
    pack = b"".join(head_of(e) + c for e, c in zip(envelopes, contents, strict=True))
    found = list(read_records(pack))
    assert [record.envelope for record in found] == envelopes
    assert [pack[record.offset : record.offset + record.length] for record in found] == contents


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_cut_object_is_refused_and_not_guessed_at(cut: int) -> None:
    content = b"hello"
    pack = head_of(envelope_of(content)) + content
    with pytest.raises(Malformed):
        list(read_records(pack[:-cut]))


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"", encode_envelope(envelope_of(b"", recipients=()))])
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_envelope(data)


def test_what_a_newer_writer_asks_for_is_not_asked_for_here() -> None:
    message = wire.Envelope.FromString(encode_envelope(envelope_of(b"x")))
    message.recipients[0].notify.extend(wire.Notify.ValueType(number) for number in (2, 99))
    message.ret = wire.Ret.ValueType(77)
    envelope = decode_envelope(message.SerializeToString())
    assert envelope.recipients[0].request == RecipientRequest(Notify.SUCCESS)
    assert envelope.request == MessageRequest()


def test_a_copy_of_its_own_bears_its_recipients_token() -> None:
    own = OwnCopies("news+b-<>@example.test", b"List-Unsubscribe: <https://example.test/<>>\r\n")
    ann, bob = (
        EnvelopeRecipient(f"{name}@far.test", f"{name}@far.test", None, token=f"t{name}")
        for name in ("ann", "bob")
    )
    envelope = envelope_of(b"x", recipients=(ann, bob), own_copies=own)
    assert envelope.reverse_path_of("bob@far.test") == "news+b-tbob@example.test"
    assert own.fields_of(ann) == b"List-Unsubscribe: <https://example.test/tann>\r\n"
    assert envelope.reverse_path_of("carol@far.test") == "a@example.test"
    assert envelope_of(b"x", recipients=(ann,)).reverse_path_of("ann@far.test") == "a@example.test"


@pytest.mark.parametrize("address", ["a\0b@y.test", "a@y.test\nb@y.test", "a@y.test\r"])
@pytest.mark.parametrize("place", ["reverse_path", "recipients"])
def test_an_address_that_no_line_and_no_row_holds_makes_no_letter(address: str, place: str) -> None:
    """It could be tried and never be written down, again and again; whoever reads it puts it aside."""
    to = (EnvelopeRecipient("b@y.test", "", None), EnvelopeRecipient(address, "", None))
    values: dict[str, object] = {"recipients": to} if place == "recipients" else {place: address}
    message = wire.SpooledMessage()
    message.envelope.CopyFrom(envelope_to_wire(envelope_of(b"x", **values)))
    with pytest.raises(Malformed):
        decode(message.SerializeToString())


def test_an_instant_that_there_is_not_makes_no_letter() -> None:
    """Whoever reads it puts it aside; an exception of another kind would end the process, again and again."""
    message = wire.SpooledMessage()
    message.envelope.CopyFrom(envelope_to_wire(envelope_of(b"x")))
    decode(message.SerializeToString())
    message.facts.sent_at.seconds = 1 << 60
    with pytest.raises(Malformed):
        decode(message.SerializeToString())
    message.facts.ClearField("sent_at")
    message.envelope.arrived_at.seconds = -(1 << 60)
    with pytest.raises(Malformed):
        decode(message.SerializeToString())
    with pytest.raises(Malformed):
        decode_envelope(message.envelope.SerializeToString())


def test_what_does_not_begin_as_a_record_is_none() -> None:
    whole = head_of(envelope_of(b"x")) + b"x"
    assert len(list(read_records(whole + whole))) == 2
    for altered in (b"PHR2" + whole[4:], whole + b"\0" + whole[1:], whole + b"x" * 20):
        with pytest.raises(Malformed):
            list(read_records(altered))
