"""The messages that actions send, read by an independent parser."""

import base64
import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sieve import Received, compile_script, run
from sieve.actions import Keep, Notify, Reject, Vacation
from sieve.replies import build_notification, build_refusal, build_vacation

from tests.support.mime import octets_of, parts_of, text_of
from tests.support.sieve_cases import situation

SENT_AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
OWNER = "roadrunner@acme.example.com"
MESSAGE = b"Message-ID: <2@x>\r\nReferences: <0@x>\r\n <1@x>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nTo: roadrunner@acme.example.com\r\n\r\nhello"


def action(script: str, content: bytes = MESSAGE) -> object:
    program = compile_script(f'require ["vacation", "enotify", "reject", "variables"]; {script}'.encode())
    outcome = run(program, Received.from_octets(content), situation({}))
    assert outcome.error is None
    return outcome.actions[0]


def answer(script: str, content: bytes = MESSAGE) -> EmailMessage:
    vacation = action(script, content)
    assert isinstance(vacation, Vacation)
    built = build_vacation(vacation, owner=OWNER, message_id="<new@y>", sent_at=SENT_AT)
    assert b"\n" not in built.replace(b"\r\n", b"")
    return email.message_from_bytes(built, policy=policy.SMTP)


def test_vacation() -> None:
    message = answer('vacation "Ich bin im Urlaub, Grüße";')
    assert dict(message.items()) == {
        "From": OWNER,
        "To": "coyote@desert.example.org",
        "Subject": "Auto: Grüße",
        "Date": "Sat, 21 Nov 2026 10:00:00 +0000",
        "Message-ID": "<new@y>",
        "Auto-Submitted": "auto-replied",
        "In-Reply-To": "<2@x>",
        "References": "<0@x> <1@x> <2@x>",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }
    assert message.get_payload(decode=True) == "Ich bin im Urlaub, Grüße\r\n".encode()


def test_a_message_without_an_id_gets_an_answer_without_references() -> None:
    message = answer('vacation "x";', b"References: <0@x>\r\nTo: roadrunner@acme.example.com\r\n\r\n")
    assert message["In-Reply-To"] is None
    assert message["References"] is None


@pytest.mark.parametrize("octet", [b"\x01", b"\x1b", b"\x7f", b"\x80", b"\xc3\xa4", b" "])
def test_an_id_that_no_field_can_hold_is_none(octet: bytes) -> None:
    """Whoever sends it would else keep the script of who is away from running to its end."""
    message = answer(
        'vacation "x";',
        b"Message-ID: <1"
        + octet
        + b"@x>\r\nReferences: <0"
        + octet
        + b"@x>\r\nTo: roadrunner@acme.example.com\r\n\r\n",
    )
    assert message["In-Reply-To"] is None
    message = answer('vacation "x";', MESSAGE.replace(b"<0@x>", b"<0" + octet + b"@x>"))
    assert message["References"] == "<1@x> <2@x>"


def test_in_reply_to_stands_in_for_references() -> None:
    message = answer(
        'vacation "x";', b"Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nTo: roadrunner@acme.example.com\r\n\r\n"
    )
    assert message["References"] == "<1@x> <2@x>"


def test_a_subject_is_encoded_only_where_it_must_be() -> None:
    vacation = action('vacation :subject "Gone fishing" "x";')
    assert isinstance(vacation, Vacation)
    built = build_vacation(vacation, owner=OWNER, message_id="<new@y>", sent_at=SENT_AT)
    assert b"\r\nSubject: Gone fishing\r\n" in built


def test_a_mime_entity_brings_its_content_fields_and_no_others() -> None:
    text = "text:\nBcc: evil@example.com\nContent-Type: text/html\nSubject: other\n\n<p>x</p>\n.\n"
    message = answer(f"vacation :mime {text};")
    assert message["Bcc"] is None
    assert message.get_all("Subject") == ["Auto: Grüße"]
    assert message.get_content_type() == "text/html"
    assert message.get_payload() == "<p>x</p>\r\n"


def test_an_entity_that_is_only_a_header() -> None:
    message = answer('vacation :mime "Content-Type: text/html";')
    assert message.get_content_type() == "text/html"
    assert message.get_payload() == ""


def test_a_sender_with_a_name() -> None:
    message = answer(f'vacation :from "Jürgen \\"J\\" <{OWNER}>" "x";')
    (address,) = message["From"].addresses
    assert (address.username, address.domain) == ("roadrunner", "acme.example.com")
    assert "rgen" in address.display_name


@pytest.mark.parametrize("importance", ["1", "2", "3"])
def test_notification(importance: str) -> None:
    notify = action(
        f'notify :importance "{importance}" :message "Neu: ä" "mailto:a@example.com?cc=b@example.com&body=line%0D%0Atwo&x-color=red";'
    )
    assert isinstance(notify, Notify)
    built = build_notification(notify, owner=OWNER, message_id="<new@y>", sent_at=SENT_AT)
    message = email.message_from_bytes(built, policy=policy.SMTP)
    assert next(iter(message.items())) == ("Auto-Submitted", f'auto-notified; owner-email="{OWNER}"')
    assert (message["To"], message["Cc"], message["From"]) == ("a@example.com", "b@example.com", OWNER)
    assert (message["Subject"], message["X-Color"]) == ("Neu: ä", "red")
    assert message["Importance"] == {"1": "high", "2": "normal", "3": "low"}[importance]
    assert message.get_payload(decode=True) == b"line\r\ntwo\r\n"


def test_a_notification_has_no_second_header_in_its_fields() -> None:
    notify = action(
        'notify "mailto:a@example.com";', MESSAGE.replace(b"=C3=BC", b"=0D=0ABcc:=20x=40y.example")
    )
    assert isinstance(notify, Notify)
    message = email.message_from_bytes(
        build_notification(notify, owner=OWNER, message_id="<n@y>", sent_at=SENT_AT)
    )
    assert message["Bcc"] is None


def test_refusal() -> None:
    reject = action('reject "I am not taking mail from you:\r\nGrüße";')
    assert isinstance(reject, Reject)
    built = build_refusal(
        reject,
        owner=OWNER,
        reverse_path="coyote@desert.example.org",
        header=Received.from_octets(MESSAGE).header,
        reporting_host="mx.acme.example.com",
        message_id="<new@y>",
        sent_at=SENT_AT,
    )
    message = email.message_from_bytes(built, policy=policy.SMTP)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "disposition-notification"
    assert message["To"] == "coyote@desert.example.org"
    said, report, header = parts_of(message)
    assert "I am not taking mail from you:\r\nGrüße" in octets_of(said).decode()
    assert report.get_content_type() == "message/disposition-notification"
    (fields,) = parts_of(report)
    assert fields["Disposition"] == "automatic-action/MDN-sent-automatically; deleted"
    assert fields["Final-Recipient"] == f"rfc822; {OWNER}"
    assert fields["Original-Message-ID"] == "<2@x>"
    assert header.get_content_type() == "text/rfc822-headers"
    assert "Message-ID: <2@x>" in text_of(header)


_ANYTHING = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_ANYTHING, _ANYTHING)
def test_nothing_that_a_script_or_a_message_says_becomes_a_field(text: str, subject: str) -> None:
    content = b"To: roadrunner@acme.example.com\r\nSubject: " + base64_words(subject) + b"\r\n\r\n"
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "").replace("\r", "")
    script = 'if header :matches "subject" "*" { set "s" "${1}"; }'
    message = answer(f'{script} vacation :subject "{quoted}${{s}}" "x";', content)
    assert len(message.keys()) == 9
    notify = action(
        f'{script} if true {{ notify :message "{quoted}${{s}}" "mailto:a@example.com"; }}', content
    )
    assert isinstance(notify, Notify)
    built = build_notification(notify, owner=OWNER, message_id="<n@y>", sent_at=SENT_AT)
    assert len(email.message_from_bytes(built).keys()) == 10


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_ANYTHING)
def test_an_added_field_is_one_field(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "").replace("\r", "")
    program = compile_script(f'require "editheader"; addheader "X-Added" "{quoted}";'.encode())
    outcome = run(program, Received.from_octets(MESSAGE), situation({}))
    (keep,) = outcome.actions
    assert isinstance(keep, Keep)
    if outcome.error is None:
        assert keep.edition is not None
        keys = email.message_from_bytes(keep.edition.header).keys()
        assert keys == ["X-Added", "Message-ID", "References", "Subject", "To"]


def base64_words(text: str) -> bytes:
    """Encoded words that hide whatever they hold."""
    words = [text[start : start + 10] for start in range(0, len(text), 10)]
    return b" ".join(b"=?utf-8?B?" + base64.b64encode(word.encode()) + b"?=" for word in words)
