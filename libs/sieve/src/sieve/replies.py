"""The messages that actions send: the answer of "vacation" (RFC 5230 §5), the notification of "notify" (RFC 5436
§2.7), and the refusal of "reject" as a disposition notification (RFC 5429 §2.2.1, RFC 8098).

All are sent with the null reverse-path by preference; a `Notify` says when it must be so. Values that could end a
line are refused by `mailmsg.compose`, so that nothing in a script or a message becomes a header field of its own.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from mailmsg.address import Address, parse_addresses
from mailmsg.compose import encode_text, field
from mailmsg.date import format_date
from mailmsg.header import fields, first_value, header_end
from mailmsg.words import encode_words

from sieve.actions import Notify, Reject, Vacation

_IMPORTANCE = {1: b"high", 2: b"normal", 3: b"low"}
_MAX_RETURNED_OCTETS = 64 * 1024
_DSN_UNFIT = re.compile(r"[\x00-\x1f\x7f]+")


def build_vacation(action: Vacation, *, owner: str, message_id: str, sent_at: datetime) -> bytes:
    """The answer. `owner` is the address of the script's owner, `message_id` comes with its angle brackets."""
    lines = [
        field(b"From", _sender(action.sender, owner), folded=True),
        field(b"To", action.recipient.encode()),
        field(b"Subject", encode_words(action.subject), folded=True),
        field(b"Date", format_date(sent_at)),
        field(b"Message-ID", message_id.encode()),
        field(b"Auto-Submitted", b"auto-replied"),
    ]
    if action.in_reply_to:
        lines.append(field(b"In-Reply-To", action.in_reply_to.encode()))
        lines.append(field(b"References", action.references.encode()))
    lines.append(b"MIME-Version: 1.0\r\n")
    if action.is_mime:
        lines.append(_entity(action.content))
    else:
        lines.append(_text(action.content.decode("utf-8", "replace")))
    return b"".join(lines)


def build_notification(action: Notify, *, owner: str, message_id: str, sent_at: datetime) -> bytes:
    """The notification, to `action.recipients` and `action.copies`."""
    lines = [
        field(b"Auto-Submitted", f'auto-notified; owner-email="{_quoted(owner)}"'.encode()),
        field(b"From", _sender(action.sender, owner), folded=True),
        field(b"To", ", ".join(action.recipients).encode()),
    ]
    if action.copies:
        lines.append(field(b"Cc", ", ".join(action.copies).encode()))
    lines += [
        field(b"Subject", encode_words(action.subject), folded=True),
        field(b"Date", format_date(sent_at)),
        field(b"Message-ID", message_id.encode()),
        field(b"Importance", _IMPORTANCE[action.importance]),
    ]
    lines.extend(
        field(name.encode("ascii"), encode_words(value), folded=True) for name, value in action.header
    )
    lines.append(b"MIME-Version: 1.0\r\n")
    lines.append(_text(action.text))
    return b"".join(lines)


def build_refusal(
    action: Reject,
    *,
    owner: str,
    reverse_path: str,
    header: bytes,
    reporting_host: str,
    message_id: str,
    sent_at: datetime,
) -> bytes:
    """The disposition notification that tells `reverse_path` of the refusal. `header` is that of the message refused,
    as received. It must not be sent where the reverse-path is null (RFC 5429 §2.2.1)."""
    subject = first_value(header, b"Subject") or b""
    refused_id = first_value(header, b"Message-ID") or b""
    boundary = b"=_" + hashlib.sha256(message_id.encode() + header).hexdigest()[:40].encode()
    said = f"The message was refused by the recipient's mail filtering program. The reason given was:\r\n\r\n{action.reason}"
    report = [
        field(b"Reporting-UA", reporting_host.encode() + b"; Posthouse"),
        field(b"Final-Recipient", _typed(owner)),
    ]
    if refused_id.isascii() and refused_id:
        report.append(field(b"Original-Message-ID", _DSN_UNFIT.sub(" ", refused_id.decode("ascii")).encode()))
    report.append(field(b"Disposition", b"automatic-action/MDN-sent-automatically; deleted"))
    returned = header[:_MAX_RETURNED_OCTETS]
    if len(header) > _MAX_RETURNED_OCTETS:
        returned = returned[: returned.rfind(b"\n") + 1]
    report_type = (
        b"message/disposition-notification" if owner.isascii() else b"message/global-disposition-notification"
    )
    return b"".join(
        (
            field(b"From", owner.encode()),
            field(b"To", reverse_path.encode()),
            field(b"Subject", b"Refused mail" + (b": " + _plain(subject) if subject else b"")),
            field(b"Date", format_date(sent_at)),
            field(b"Message-ID", message_id.encode()),
            field(b"Auto-Submitted", b"auto-replied"),
            b"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=disposition-notification;\r\n",
            b' boundary="' + boundary + b'"\r\n\r\n',
            b"--" + boundary + b"\r\n" + _text(said),
            b"\r\n--" + boundary + b"\r\nContent-Type: " + report_type + b"\r\n\r\n",
            *report,
            b"\r\n--" + boundary + b"\r\nContent-Type: text/rfc822-headers\r\n",
            b"" if returned.isascii() else b"Content-Transfer-Encoding: 8bit\r\n",
            b"\r\n" + returned,
            b"\r\n--" + boundary + b"--\r\n",
        )
    )


def _quoted(text: str) -> str:
    """What stands in a quoted-string (RFC 5322 §3.2.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _plain(value: bytes) -> bytes:
    """A value of the message refused, to repeat in a field: as it stands where it is ASCII without controls."""
    text = _DSN_UNFIT.sub(" ", value.decode("utf-8", "replace"))[:200]
    return text.encode() if text.isascii() else encode_words(text).replace(b"\r\n ", b" ")


def _typed(address: str) -> bytes:
    return (b"rfc822; " if address.isascii() else b"utf-8; ") + address.encode()


def _sender(sender: str | None, owner: str) -> bytes:
    """A mailbox-list with its names in encoded words where they need them."""
    if sender is None:
        return owner.encode()
    written: list[bytes] = []
    for entry in parse_addresses(sender.encode()):
        assert isinstance(entry, Address)
        if not entry.name:
            written.append(entry.address)
        elif entry.name.isascii():
            written.append(f'"{_quoted(entry.name.decode("ascii"))}"'.encode() + b" <" + entry.address + b">")
        else:
            name = encode_words(entry.name.decode("utf-8", "replace"))
            written.append(name + b" <" + entry.address + b">")
    return b",\r\n ".join(written)


def _text(text: str) -> bytes:
    encoding, body = encode_text(text)
    return (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        + encoding
        + b"\r\n\r\n"
        + body
    )


def _entity(content: bytes) -> bytes:
    """A MIME entity with the fields that belong to one, and no others."""
    end = header_end(content)
    header, body = (content, b"") if end is None else (content[:end], content[end:])
    kept = [
        entry.raw if entry.raw.endswith(b"\n") else entry.raw + b"\r\n"
        for entry in fields(header)
        if entry.name.lower().startswith(b"content-")
    ]
    return b"".join(kept) + b"\r\n" + body
