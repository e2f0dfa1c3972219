"""What the door found out of the sender travels with the envelope."""

import dataclasses
from datetime import UTC, datetime

import pytest
from mailwire.spool.v1 import spool_pb2 as wire
from senderauth.result import Result
from spool import Envelope, EnvelopeRecipient, Handling, Signature, Source, Speaker
from spool.codec import decode_envelope, encode_envelope, envelope_to_wire

SPEAKER = Speaker(
    spf=Result.SOFTFAIL,
    spf_domain="bounces.example.com",
    spf_helo=Result.NONE,
    iprev=Result.PASS,
    client_name="mail.example.com",
    signatures=(
        Signature(Result.PASS, "example.com", "s1"),
        Signature(Result.TEMPERROR, "list.example", "s2"),
    ),
    arc=Result.PASS,
    arc_sealers=("list.example",),
    dmarc=Result.FAIL,
    author_domain="example.com",
    dmarc_wish="quarantine",
)
ENVELOPE = Envelope(
    queue_id="01",
    tenant_id="t",
    reverse_path="",
    recipients=(EnvelopeRecipient("a@b", "a@b", "id"),),
    arrived_at=datetime(2026, 1, 2, tzinfo=UTC),
    digest=b"d",
    size_octets=1,
    trace_prefix=b"",
    source=Source.MX,
    helo="",
    client_address="",
    sender_account_id="",
    smtputf8=False,
    eight_bit=False,
)


@pytest.mark.parametrize("speaker", [None, SPEAKER])
@pytest.mark.parametrize("handling", list(Handling))
def test_it_comes_back_as_it_was(speaker: Speaker | None, handling: Handling) -> None:
    envelope = dataclasses.replace(ENVELOPE, speaker=speaker, handling=handling)
    assert decode_envelope(encode_envelope(envelope)) == envelope


@pytest.mark.parametrize("result", list(Result))
def test_every_result_has_its_number(result: Result) -> None:
    envelope = dataclasses.replace(ENVELOPE, speaker=dataclasses.replace(SPEAKER, spf=result))
    assert decode_envelope(encode_envelope(envelope)).speaker == envelope.speaker


def test_what_a_newer_writer_says_speaks_for_nobody() -> None:
    message = envelope_to_wire(dataclasses.replace(ENVELOPE, speaker=SPEAKER))
    data = message.SerializeToString()
    newer = wire.Envelope.FromString(data)
    newer.speaker.spf = wire.CheckResult.ValueType(99)
    newer.handling = wire.Handling.ValueType(99)
    found = decode_envelope(newer.SerializeToString())
    assert found.speaker is not None
    assert found.speaker.spf is Result.NONE
    assert found.handling is Handling.USUAL


STRANGER = dataclasses.replace(SPEAKER, spf=Result.NONE, spf_domain="mail.example.com", signatures=())


@pytest.mark.parametrize(
    ("reverse_path", "changes", "is_told"),
    [
        ("ann@mail.example.com", {"spf": Result.PASS}, True),
        ("ann@Mail.Example.com", {"spf": Result.PASS}, True),
        *(("ann@mail.example.com", {"spf": each}, False) for each in Result if each is not Result.PASS),
        # Of HELO's name, where MAIL FROM has none, and of another one.
        ("ann@other.example", {"spf": Result.PASS}, False),
        ("", {"spf": Result.PASS}, False),
        ("ann@mail.example.com", {"signatures": (Signature(Result.PASS, "mail.example.com", "s"),)}, True),
        ("ann@mail.example.com", {"signatures": (Signature(Result.PASS, "Example.COM", "s"),)}, True),
        ("ann@mail.example.com", {"signatures": (Signature(Result.PASS, "com", "s"),)}, False),
        ("ann@mail.example.com", {"signatures": (Signature(Result.PASS, "xample.com", "s"),)}, False),
        ("ann@mail.example.com", {"signatures": (Signature(Result.FAIL, "mail.example.com", "s"),)}, False),
        # Signed mail that somebody sends once more, from where SPF does not allow it.
        *(
            (
                "ann@mail.example.com",
                {"spf": each, "signatures": (Signature(Result.PASS, "mail.example.com", "s"),)},
                False,
            )
            for each in (Result.FAIL, Result.SOFTFAIL)
        ),
        # A reader's From says nothing of where notices go.
        ("ann@mail.example.com", {"dmarc": Result.PASS, "author_domain": "mail.example.com"}, False),
    ],
)
def test_who_is_told_what_becomes_of_his_message(
    reverse_path: str, changes: dict[str, object], is_told: bool
) -> None:
    speaker = dataclasses.replace(STRANGER, **changes)  # type: ignore[arg-type]
    envelope = dataclasses.replace(ENVELOPE, reverse_path=reverse_path, speaker=speaker)
    assert envelope.may_answer_sender is is_told


def test_where_nothing_was_checked_the_sender_is_told() -> None:
    assert dataclasses.replace(ENVELOPE, reverse_path="ann@mail.example.com").may_answer_sender
    assert not ENVELOPE.may_answer_sender
