"""Delivery status notifications (RFC 3464) as multipart/report (RFC 6522): tell a sender that mail failed or waits.

Three parts: words for a human, message/delivery-status for programs, and the header of the message that it is about.
Where a recipient's address is not ASCII the forms of RFC 6533 are used. A notification is sent with the null
reverse-path (RFC 5321 §6.1), which is the caller's work, as is not to answer a notification with another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from mailmsg.compose import encode_text, field
from mailmsg.date import format_date

MAX_REASON_LINES = 200
MAX_RETURNED_OCTETS = 64 * 1024
"""Of a longer header only the beginning is returned, to a whole line."""

_UNFIT = re.compile(r"[\x00-\x1f\x7f]+")


class Action(Enum):
    """What happened (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    # Handed to a system that tells nothing itself.
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """One recipient's fate. `status` is an enhanced code (RFC 3463); `diagnostic` the peer's SMTP reply as text.

    `original_address` is what the sender wrote, where the address was changed on the way (an alias);
    `original_recipient` what ORCPT said, decoded: `type;address` (RFC 3461 §4.2). `reason`: what the recipient's filter
    says to the sender (RFC 5429 §2.1.2), in as many lines as it has.
    """

    address: str
    status: str
    diagnostic: str = ""
    remote_mta: str = ""
    original_address: str = ""
    original_recipient: str = ""
    last_attempt_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The message that a notification is about, and who tells.

    `reporting_mta` is our host name; `reverse_path` the address to tell; `header` its header block as it was sent on.
    `content` is the whole message where it is to be returned (RFC 3461 §4.3), else empty. `envelope_id`: ENVID, decoded.
    `deliver_by`: until when it should have been delivered (RFC 2852); `release_at`: until when it was to be held (RFC 4865).
    """

    reporting_mta: str
    reverse_path: str
    arrived_at: datetime
    header: bytes
    queue_id: str = ""
    envelope_id: str = ""
    content: bytes = b""
    deliver_by: datetime | None = None
    release_at: datetime | None = None


def build_failure(
    subject: Subject, recipients: Sequence[RecipientStatus], *, message_id: str, sent_at: datetime
) -> bytes:
    """The notification that these recipients will not get the message. Raises ValueError without recipients."""
    said = [
        "Your message could not be delivered to:",
        "",
        *_listed(recipients),
        "",
        "It will not be tried again.",
    ]
    return _build(
        subject,
        recipients,
        Action.FAILED,
        None,
        "Undelivered mail",
        said,
        message_id=message_id,
        sent_at=sent_at,
    )


def build_final(
    subject: Subject,
    recipients: Sequence[RecipientStatus],
    action: Action,
    *,
    message_id: str,
    sent_at: datetime,
) -> bytes:
    """The notification of what will not change any more: FAILED, DELIVERED or RELAYED (RFC 3464 §2.3.3).

    Raises ValueError without recipients, and for DELAYED.
    """
    if action is Action.DELAYED:
        raise ValueError("what is delayed is not final")
    if action is Action.FAILED:
        return build_failure(subject, recipients, message_id=message_id, sent_at=sent_at)
    if action is Action.DELIVERED:
        title, said = "Delivered mail", ["Your message was delivered to:", "", *_listed(recipients)]
    else:
        title = "Relayed mail"
        last = "That system takes no requests to tell you more, so you will hear of it only if something goes wrong."
        said = ["Your message was handed to the next system for:", "", *_listed(recipients), "", last]
    return _build(*(subject, recipients, action, None, title, said), message_id=message_id, sent_at=sent_at)


def build_delay(
    subject: Subject,
    recipients: Sequence[RecipientStatus],
    *,
    retry_until: datetime | None,
    message_id: str,
    sent_at: datetime,
) -> bytes:
    """The notification that the message still waits, and until when it will be tried; None: nobody gives up."""
    said = [
        "Your message could not be delivered yet to:",
        "",
        *_listed(recipients),
        "",
        f"{_until(retry_until)} You need not send it again.",
    ]
    return _build(
        subject,
        recipients,
        Action.DELAYED,
        retry_until,
        "Delayed mail",
        said,
        message_id=message_id,
        sent_at=sent_at,
    )


def _until(retry_until: datetime | None) -> str:
    if retry_until is None:
        return "It will be delivered as soon as possible."
    return f"It will be tried until {format_date(retry_until).decode()}."


def _listed(recipients: Sequence[RecipientStatus]) -> list[str]:
    lines: list[str] = []
    for recipient in recipients:
        lines.append(f"  <{_clean(recipient.original_address or recipient.address)}>")
        if recipient.status == "5.4.7":
            lines.append("      It was tried again and again and is too old now; the last answer was:")
        if recipient.diagnostic:
            host = f"{_clean(recipient.remote_mta)} said: " if recipient.remote_mta else ""
            lines.append(f"      {host}{_clean(recipient.diagnostic)}")
        if recipient.reason:
            lines += [
                "",
                "It was refused by the recipient's mail filtering program. The reason given is:",
                "",
            ]
            lines += [_clean(line) for line in recipient.reason.splitlines()[:MAX_REASON_LINES]]
            lines.append("")
    return lines


def _build(
    subject: Subject,
    recipients: Sequence[RecipientStatus],
    action: Action,
    retry_until: datetime | None,
    title: str,
    said: list[str],
    *,
    message_id: str,
    sent_at: datetime,
) -> bytes:
    if not recipients:
        raise ValueError("a notification needs a recipient to tell of")
    introduction = f"This is the mail system at {_clean(subject.reporting_mta)}.\r\n\r\n"
    encoding, text = encode_text(introduction + "\r\n".join(said) + "\r\n")
    international = not all(
        _clean(item.address + item.original_address + item.original_recipient).isascii()
        for item in recipients
    )
    status = _status(subject, recipients, action, retry_until)
    returned = subject.content or _returned_header(subject.header)
    returned_type = b"text/rfc822-headers; charset=utf-8"
    if subject.content:
        # RFC 6522 §3; what has a header beyond ASCII is message/global (RFC 6533 §6).
        header_is_ascii = subject.content.partition(b"\r\n\r\n")[0].isascii()
        returned_type = b"message/rfc822" if header_is_ascii else b"message/global"
    eight_bit = b"8bit" if international or not returned.isascii() else b"7bit"
    boundary = _boundary(message_id, status, text, returned)
    status_type = b"message/global-delivery-status" if international else b"message/delivery-status"
    return b"".join(
        [
            field(b"From", f"Mail Delivery System <MAILER-DAEMON@{_clean(subject.reporting_mta)}>".encode()),
            field(b"To", f"<{_clean(subject.reverse_path)}>".encode()),
            field(b"Subject", title.encode() + b": returned to sender" * (action is Action.FAILED)),
            field(b"Date", format_date(sent_at)),
            field(b"Message-ID", message_id.encode()),
            b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
            b'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="'
            + boundary
            + b'"\r\n',
            b"Content-Transfer-Encoding: " + eight_bit + b"\r\n\r\n",
            b"--" + boundary + b"\r\nContent-Type: text/plain; charset=utf-8\r\n",
            b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + text + b"\r\n",
            b"--" + boundary + b"\r\nContent-Type: " + status_type + b"\r\n",
            b"Content-Transfer-Encoding: 8bit\r\n" * international,
            b"\r\n" + status + b"\r\n",
            b"--" + boundary + b"\r\nContent-Type: " + returned_type + b"\r\n",
            b"Content-Transfer-Encoding: " + (b"7bit" if returned.isascii() else b"8bit") + b"\r\n\r\n",
            returned + b"\r\n--" + boundary + b"--\r\n",
        ],
    )


def _status(
    subject: Subject, recipients: Sequence[RecipientStatus], action: Action, retry_until: datetime | None
) -> bytes:
    """The fields of message/delivery-status (RFC 3464 §2.2, §2.3): of the message, then of each recipient."""
    lines = [f"Reporting-MTA: dns; {_clean(subject.reporting_mta)}"]
    if subject.envelope_id:
        lines.append(f"Original-Envelope-Id: {_clean(subject.envelope_id)}")
    if subject.queue_id:
        lines.append(f"X-Posthouse-Queue-Id: {_clean(subject.queue_id)}")
    lines.append(f"Arrival-Date: {format_date(subject.arrived_at).decode()}")
    if subject.deliver_by is not None:
        lines.append(f"Deliver-By-Date: {format_date(subject.deliver_by).decode()}")
    if subject.release_at is not None:
        at = subject.release_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"Future-Release-Request: until;{at}")
    for recipient in recipients:
        lines.append("")
        if recipient.original_recipient:
            kind, _, original = _clean(recipient.original_recipient).partition(";")
            lines.append(f"Original-Recipient: {kind}; {original}")
        elif recipient.original_address:
            lines.append(f"Original-Recipient: {_typed(recipient.original_address)}")
        lines.append(f"Final-Recipient: {_typed(recipient.address)}")
        lines.append(f"Action: {action.value}")
        lines.append(f"Status: {_clean(recipient.status)}")
        if recipient.remote_mta:
            lines.append(f"Remote-MTA: dns; {_clean(recipient.remote_mta)}")
        if recipient.diagnostic:
            # Folded by `field` below, like every line here.
            lines.append(
                f"Diagnostic-Code: smtp; {_clean(recipient.diagnostic).encode('ascii', 'replace').decode()}"
            )
        if recipient.last_attempt_at is not None:
            lines.append(f"Last-Attempt-Date: {format_date(recipient.last_attempt_at).decode()}")
        if retry_until is not None:
            lines.append(f"Will-Retry-Until: {format_date(retry_until).decode()}")
    out: list[bytes] = []
    for line in lines:
        name, _, value = line.partition(": ")
        out.append(field(name.encode(), value.encode()) if name else b"\r\n")
    return b"".join(out)


def _typed(address: str) -> str:
    clean = _clean(address)
    return f"{'rfc822' if clean.isascii() else 'utf-8'}; {clean}"


def _clean(text: str) -> str:
    """One line without control characters: what a peer said must not become a field of its own."""
    return _UNFIT.sub(" ", text).strip()[:900]


def _returned_header(header: bytes) -> bytes:
    if len(header) > MAX_RETURNED_OCTETS:
        header = header[: header.rfind(b"\n", 0, MAX_RETURNED_OCTETS) + 1]
    return header.rstrip(b"\r\n") + b"\r\n"


def _boundary(message_id: str, *contents: bytes) -> bytes:
    """A boundary that none of the contents holds."""
    attempt = 0
    while True:
        boundary = b"=_" + hashlib.sha256(f"{message_id} {attempt}".encode()).hexdigest()[:32].encode()
        if not any(boundary in content for content in contents):
            return boundary
        attempt += 1
