"""Disposition notifications (RFC 8098): who is told without a question, and what."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import Message
from typing import cast

import pytest
from mailmsg.mdn import Displayed, asks, build_displayed, return_address

SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PATH = b"<alice@far.test>"
REQUEST = b"Disposition-Notification-To: Alice <alice@FAR.test>\r\n"


def header(*more: bytes, request: bytes = REQUEST) -> bytes:
    return b"From: alice@far.test\r\nSubject: hi\r\nMessage-ID: <1@far.test>\r\n" + request + b"".join(more)


def test_the_sender_alone_is_told() -> None:
    assert return_address(header(), PATH) == "alice@far.test"
    assert return_address(header(), b"alice@far.test") == "alice@far.test"
    quoted = b'Disposition-Notification-To: "alice"@far.test,\r\n <alice@far.test>\r\n'
    assert return_address(header(request=quoted), PATH) == "alice@far.test"
    assert return_address(header(b"Auto-Submitted: no\r\n", b"Precedence: first-class\r\n"), PATH)
    optional = b"Disposition-Notification-Options: x=optional, required\r\n"
    assert return_address(header(optional), PATH) == "alice@far.test"


@pytest.mark.parametrize("path", [b"<>", b"", b"<Alice@far.test>", b"<bounces@far.test>", b"<alice>"])
def test_nobody_is_told_who_is_not_the_reverse_path(path: bytes) -> None:
    assert return_address(header(), path) is None


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"Disposition-Notification-To:\r\n",
        b"Disposition-Notification-To: alice@far.test, victim@other.test\r\n",
        b"Disposition-Notification-To: all: alice@far.test;\r\n",
        REQUEST + REQUEST,
        b"Disposition-Notification-To: alice@far.test\r\n .evil\r\n",
    ],
)
def test_a_request_that_is_not_for_one_address_is_none(request_: bytes) -> None:
    assert return_address(header(request=request_), PATH) is None


@pytest.mark.parametrize(
    "field",
    [
        b"List-Id: <l.far.test>\r\n",
        b"list-unsubscribe: <mailto:x@far.test>\r\n",
        b"Precedence: BULK\r\n",
        b"Newsgroups: comp.mail\r\n",
        b"Auto-Submitted: auto-generated\r\n",
        b"Auto-Submitted: nonsense\r\n",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n",
        b"Content-Type: multipart/report;\r\n report-type=disposition-notification; boundary=x\r\n",
        b"Disposition-Notification-Options: x = REQUIRED, y\r\n",
        b"Disposition-Notification-Options: a=optional,b; x=required,y\r\n",
    ],
)
def test_lists_programs_and_notifications_are_told_nothing(field: bytes) -> None:
    assert return_address(header(field), PATH) is None


def test_what_asks_is_found_whatever_its_case() -> None:
    assert asks(header())
    assert asks(REQUEST.upper())
    assert not asks(header(b"X-Disposition-Notification-To: x\r\n", request=b""))


def test_the_three_parts_and_their_fields() -> None:
    original = header(b"Original-Recipient: rfc822;Bob+x@a.test\r\n")
    built = build_displayed(
        Displayed("bob@a.test", "alice@far.test", "mail.a.test", original),
        message_id="<new@mail.a.test>",
        sent_at=SENT_AT,
    )
    message = email.message_from_bytes(built, policy=email.policy.default)
    assert (message["From"], message["To"], message["Subject"]) == (
        "bob@a.test",
        "alice@far.test",
        "Read: hi",
    )
    assert (message["In-Reply-To"], message["Auto-Submitted"]) == ("<1@far.test>", "auto-replied")
    assert "Disposition-Notification-To" not in message
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "disposition-notification"
    text, report, returned = message.iter_parts()
    assert "was displayed" in text.get_content()
    assert report.get_content_type() == "message/disposition-notification"
    [values] = cast(list[Message], report.get_payload())
    assert dict(values.items()) == {
        "Reporting-UA": "mail.a.test; Posthouse",
        "Original-Recipient": "rfc822;Bob+x@a.test",
        "Final-Recipient": "rfc822; bob@a.test",
        "Original-Message-ID": "<1@far.test>",
        "Disposition": "manual-action/MDN-sent-automatically; displayed",
    }
    assert original in returned.get_payload(decode=True)
    # An answer to it is refused by the same rules.
    assert return_address(built.partition(b"\r\n\r\n")[0] + b"\r\n" + REQUEST, PATH) is None


def test_nothing_in_a_message_becomes_a_field_of_the_notification() -> None:
    hostile = (
        b"Subject: x\rBcc: victim@other.test\r\n"
        b"Message-ID: <a b>\r\n c\r\nOriginal-Recipient: rfc822;a b\x00\r\nX: \xff\r\n"
    )
    built = build_displayed(
        Displayed("bob@a.test", "alice@far.test", "mail.a.test", hostile),
        message_id="<n@a.test>",
        sent_at=SENT_AT,
    )
    top = built.partition(b"\r\n\r\n")[0]
    assert b"\r" not in top.replace(b"\r\n", b"")
    assert b"In-Reply-To" not in top
    assert b"Content-Transfer-Encoding: 8bit" in top
    report = built.split(b"message/disposition-notification\r\n\r\n")[1].partition(b"\r\n\r\n")[0]
    assert b"Original" not in report


def test_an_address_beyond_ascii_is_written_as_such() -> None:
    built = build_displayed(
        Displayed("bøb@a.test", "alice@far.test", "mail.a.test", header()),
        message_id="<n@a.test>",
        sent_at=SENT_AT,
    )
    assert b"Content-Type: message/global-disposition-notification\r\n" in built
    assert "Final-Recipient: utf-8; bøb@a.test\r\n".encode() in built
