"""Messages of our own: plain text and delivery status notifications."""

import dataclasses
import email
import email.policy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.compose import build_text
from mailmsg.dsn import Action, RecipientStatus, Subject, build_delay, build_failure, build_final
from mailmsg.facts import examine

NOW = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


def build(text: str = "Hello.\n", subject: str = "Hi", recipient: str = "bob@example.test") -> bytes:
    return build_text(
        sender="Alice <alice@example.test>",
        recipients=[recipient],
        subject=subject,
        text=text,
        message_id="<1@example.test>",
        sent_at=NOW,
    )


def test_plain_text() -> None:
    assert build() == (
        b"From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nSubject: Hi\r\n"
        b"Date: Sat, 21 Nov 2026 05:00:00 +0000\r\nMessage-ID: <1@example.test>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello.\r\n"
    )


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=300))
def test_any_text_comes_back(text: str) -> None:
    message = email.message_from_bytes(build(text))
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    expected = text if not text or text.endswith("\n") else text + "\n"
    assert payload.decode().replace("\r\n", "\n") == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
def test_any_subject_comes_back(subject: str) -> None:
    message = build(subject=subject)
    assert all(len(line) <= 998 for line in message.split(b"\r\n"))
    assert message.isascii()


@pytest.mark.parametrize(
    "evil", ["x\r\nBcc: eve@evil.test", "x\nBcc: e", "x\rBcc: e", "x\0y", "x\r\n\r\nbody"]
)
def test_header_injection_is_refused(evil: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        build(subject=evil)
    with pytest.raises(ValueError, match="control character"):
        build(recipient=evil)


def test_many_recipients_are_folded() -> None:
    message = build(recipient=", ".join(f"someone{n}@example.test" for n in range(100)))
    assert all(len(line) <= 78 for line in message.split(b"\r\n"))
    assert examine(message).envelope.count(b'"someone') == 100


SUBJECT = Subject(
    reporting_mta="mail.example.test",
    reverse_path="alice@example.test",
    arrived_at=NOW,
    header=b"From: alice@example.test\r\nSubject: lost\r\n\r\n",
    queue_id="01J",
)


def test_failure_is_a_report_in_three_parts() -> None:
    status = RecipientStatus(
        "nobody@there.test", "5.1.1", "550 5.1.1 No such user", "mx.there.test", last_attempt_at=NOW
    )
    octets = build_failure(SUBJECT, [status], message_id="<d@mail.example.test>", sent_at=NOW)
    assert b'"REPORT" ("REPORT-TYPE" "delivery-status" "BOUNDARY" ' in examine(octets).bodystructure
    message: Any = email.message_from_bytes(octets, policy=email.policy.compat32)
    assert message.get_content_type() == "multipart/report"
    assert message["To"] == "<alice@example.test>"
    assert message["Auto-Submitted"] == "auto-replied"
    words, report, returned = message.get_payload()
    assert "550 5.1.1 No such user" in words.get_payload()
    about_message, about_recipient = report.get_payload()
    assert about_message["Reporting-MTA"] == "dns; mail.example.test"
    assert about_recipient["Final-Recipient"] == "rfc822; nobody@there.test"
    assert about_recipient["Action"] == "failed"
    assert about_recipient["Status"] == "5.1.1"
    assert about_recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 No such user"
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_payload() == "From: alice@example.test\r\nSubject: lost\r\n"


def test_delay_says_until_when() -> None:
    octets = build_delay(
        SUBJECT,
        [RecipientStatus("slow@there.test", "4.4.1")],
        retry_until=NOW,
        message_id="<d@mail.example.test>",
        sent_at=NOW,
    )
    assert (
        b"Action: delayed\r\nStatus: 4.4.1\r\nWill-Retry-Until: Sat, 21 Nov 2026 05:00:00 +0000\r\n" in octets
    )
    assert b"Subject: Delayed mail\r\n" in octets


def test_what_a_peer_says_makes_no_fields_and_no_parts() -> None:
    evil = RecipientStatus("a@b.test", "5.0.0", "550 no\r\n\r\nFinal-Recipient: rfc822; x@y.test\r\n--b\r\n")
    octets = build_failure(SUBJECT, [evil], message_id="<d@x>", sent_at=NOW)
    message: Any = email.message_from_bytes(octets)
    assert len(message.get_payload()) == 3
    assert len(message.get_payload(1).get_payload()) == 2


def test_international_recipient() -> None:
    octets = build_failure(
        SUBJECT, [RecipientStatus("jörg@b.test", "5.1.1")], message_id="<d@x>", sent_at=NOW
    )
    assert b"Content-Type: message/global-delivery-status\r\n" in octets
    assert "Final-Recipient: utf-8; jörg@b.test\r\n".encode() in octets


@pytest.mark.parametrize("action", list(Action))
def test_whatever_is_told_of_an_international_recipient_has_the_forms_of_rfc_6533(action: Action) -> None:
    status = RecipientStatus("jörg@b.test", "2.0.0", original_recipient="UTF-8;jörg+lang@b.test")
    subject = dataclasses.replace(SUBJECT, header="From: ä@b.test\r\nSubject: ü\r\n\r\n".encode())
    if action is Action.DELAYED:
        octets = build_delay(subject, [status], retry_until=NOW, message_id="<d@x>", sent_at=NOW)
    else:
        octets = build_final(subject, [status], action, message_id="<d@x>", sent_at=NOW)
    assert b"Content-Type: message/global-delivery-status\r\n" in octets
    assert "Original-Recipient: UTF-8; jörg+lang@b.test\r\n".encode() in octets
    assert "Final-Recipient: utf-8; jörg@b.test\r\n".encode() in octets
    assert f"Action: {action.value}\r\n".encode() in octets
    message: Any = email.message_from_bytes(octets)
    assert message.get_content_type() == "multipart/report"
    assert len(message.get_payload()) == 3


def test_success_says_what_was_asked_for_and_brings_only_the_header_back() -> None:
    status = RecipientStatus("a@b.test", "2.1.5", original_recipient="RFC822;A+b@b.test")
    octets = build_final(SUBJECT, [status], Action.DELIVERED, message_id="<d@x>", sent_at=NOW)
    assert b"Original-Recipient: RFC822; A+b@b.test\r\n" in octets
    assert b"Action: delivered\r\nStatus: 2.1.5\r\n" in octets
    assert b"Subject: Delivered mail\r\n" in octets
    with pytest.raises(ValueError):
        build_final(SUBJECT, [status], Action.DELAYED, message_id="<d@x>", sent_at=NOW)


def test_a_failure_can_bring_the_whole_message_back() -> None:
    content = b"From: a@b.test\r\nSubject: lost\r\n\r\nall of it\r\n"
    subject = dataclasses.replace(SUBJECT, content=content)
    message: Any = email.message_from_bytes(
        build_failure(subject, [RecipientStatus("a@b.test", "5.1.1")], message_id="<d@x>", sent_at=NOW)
    )
    returned = message.get_payload()[2]
    assert returned.get_content_type() == "message/rfc822"
    assert returned.get_payload()[0].get_payload() == "all of it\r\n"
