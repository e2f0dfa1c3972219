"""Message disposition notifications (RFC 8098): who may be told without asking the reader, and how it is said.

`return_address` is strict where the RFC leaves a choice: what cannot be told to exactly the sender of a message from
one person to another is not told at all, and the reader's own program may still ask.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailmsg.address import Address, Group, mailboxes, parse_addresses
from mailmsg.compose import encode_text, field
from mailmsg.date import format_date
from mailmsg.header import fields, first_value, unfold
from mailmsg.words import encode_words

REQUEST = b"disposition-notification-to"
OPTIONS = b"disposition-notification-options"
MAX_RETURNED_OCTETS = 64 * 1024
MAX_SUBJECT = 200
MAX_ID_OCTETS = 900

_UNFIT = re.compile(r"[\x00-\x1f\x7f]+")
_REQUIRED = re.compile(rb"=\s*required\b", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"<[\x21-\x3b\x3d\x3f-\x7e]+>")
# RFC 8098 §3.2.3, as ORCPT writes it.
_ORIGINAL_RECIPIENT = re.compile(rb"[A-Za-z0-9-]{1,40}[ \t]*;[ \t]*[\x21-\x7e]{1,500}")


def _is_from_a_person(value: bytes) -> bool:
    return value.lower().startswith(b"no") and not value[2:3].isalnum()


# Fields that say that no person waits for an answer, and which of their values say so: lists (RFC 2369, RFC 2919),
# newsgroups (RFC 8098 §2.1), programs (RFC 3834 §5), and notifications of any kind (RFC 6522).
_IMPERSONAL: dict[bytes, Callable[[bytes], bool]] = {
    b"auto-submitted": lambda value: not _is_from_a_person(value),
    b"precedence": lambda value: value.lower() in (b"bulk", b"list", b"junk"),
    b"newsgroups": lambda value: True,
    b"mailing-list": lambda value: True,
    b"content-type": lambda value: value.lower().startswith((b"multipart/report", b"message/disposition")),
}


@dataclass(frozen=True, slots=True)
class Displayed:
    """That a message was shown to its reader, who has said once and for all that senders may know.

    `reader` is the address it was delivered to, `reporting_host` our host name, `header` the message's header block as
    it came, `recipient` the answer of `return_address`.
    """

    reader: str
    recipient: str
    reporting_host: str
    header: bytes


def asks(header: bytes) -> bool:
    """Whether a header block has a request of any kind. Cheap: most have none."""
    lowered = header.lower()
    return lowered.startswith(REQUEST) or b"\n" + REQUEST in lowered


def return_address(header: bytes, reverse_path: bytes) -> str | None:
    """Whom to tell without asking the reader; None: nobody (RFC 8098 §2.1, §2.2).

    `header` is the header block as it came, `reverse_path` what final delivery wrote into Return-Path, with or without
    its angle brackets.
    """
    requests: list[bytes] = []
    for each in fields(header):
        name = each.name.lower()
        if name == REQUEST:
            requests.append(unfold(each.value))
        elif _is_impersonal(name, each.value):
            return None
    if len(requests) != 1:
        return None
    wanted, came_from = _only(requests[0]), _only(reverse_path)
    if wanted is None or came_from is None or _compared(wanted) != _compared(came_from):
        return None
    try:
        return came_from.address.decode()
    except UnicodeDecodeError:
        return None


def _is_impersonal(name: bytes, value: bytes) -> bool:
    if name == OPTIONS:
        return _REQUIRED.search(value) is not None
    speaks = _IMPERSONAL.get(name)
    return name.startswith(b"list-") or (speaks is not None and speaks(unfold(value)))


def _only(value: bytes) -> Address | None:
    """The address where there is exactly one, however often, and no group."""
    found = mailboxes(value)
    if (
        any(isinstance(entry, Group) for entry in parse_addresses(value))
        or len({_compared(each) for each in found}) != 1
    ):
        return None
    return found[0] if found[0].local_part and found[0].domain else None


def _compared(address: Address) -> tuple[bytes, bytes]:
    return address.local_part, address.domain.lower()


def build_displayed(what: Displayed, *, message_id: str, sent_at: datetime) -> bytes:
    """The notification; to be sent with the null reverse-path (RFC 8098 §3). Raises ValueError for unfit addresses.

    The reader opened the message and the sending was settled beforehand: manual-action, MDN-sent-automatically
    (RFC 8098 §3.2.6.1).
    """
    header = what.header
    subject = _clean((first_value(header, b"Subject") or b"").decode("utf-8", "replace"))[:MAX_SUBJECT]
    original_id = first_value(header, b"Message-ID") or b""
    has_id = len(original_id) <= MAX_ID_OCTETS and _MESSAGE_ID.fullmatch(original_id) is not None
    report = [field(b"Reporting-UA", what.reporting_host.encode() + b"; Posthouse")]
    original_recipient = first_value(header, b"Original-Recipient") or b""
    if _ORIGINAL_RECIPIENT.fullmatch(original_recipient):
        report.append(field(b"Original-Recipient", original_recipient))
    is_ascii = what.reader.isascii()
    report.append(field(b"Final-Recipient", f"{'rfc822' if is_ascii else 'utf-8'}; {what.reader}".encode()))
    if has_id:
        report.append(field(b"Original-Message-ID", original_id))
    report.append(field(b"Disposition", b"manual-action/MDN-sent-automatically; displayed"))
    encoding, text = encode_text(
        f"The message that you sent to {what.reader} was displayed.\r\n\r\n"
        "This is no guarantee that it has been read or understood.\r\n"
    )
    returned = _returned(header)
    is_plain = returned.isascii() and is_ascii
    boundary = _boundary(message_id, *report, text, returned)
    title = b"Read" if not subject else encode_words(f"Read: {subject}")
    answer = [field(name, original_id) for name in (b"In-Reply-To", b"References") if has_id]
    report_type = (
        b"message/disposition-notification" if is_ascii else b"message/global-disposition-notification"
    )
    return b"".join(
        (
            field(b"From", what.reader.encode()),
            field(b"To", what.recipient.encode()),
            field(b"Subject", title, folded=True),
            field(b"Date", format_date(sent_at)),
            field(b"Message-ID", message_id.encode()),
            *answer,
            b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
            b"Content-Type: multipart/report; report-type=disposition-notification;\r\n",
            b' boundary="' + boundary + b'"\r\n',
            b"Content-Transfer-Encoding: " + (b"7bit" if is_plain else b"8bit") + b"\r\n\r\n",
            b"--" + boundary + b"\r\nContent-Type: text/plain; charset=utf-8\r\n",
            b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + text + b"\r\n",
            b"--" + boundary + b"\r\nContent-Type: " + report_type + b"\r\n",
            b"" if is_ascii else b"Content-Transfer-Encoding: 8bit\r\n",
            b"\r\n",
            *report,
            b"\r\n--" + boundary + b"\r\nContent-Type: text/rfc822-headers; charset=utf-8\r\n",
            b"Content-Transfer-Encoding: " + (b"7bit" if returned.isascii() else b"8bit") + b"\r\n\r\n",
            returned + b"\r\n--" + boundary + b"--\r\n",
        )
    )


def _clean(text: str) -> str:
    return _UNFIT.sub(" ", text).strip()


def _returned(header: bytes) -> bytes:
    if len(header) > MAX_RETURNED_OCTETS:
        header = header[: header.rfind(b"\n", 0, MAX_RETURNED_OCTETS) + 1]
    return header.rstrip(b"\r\n") + b"\r\n"


def _boundary(message_id: str, *contents: bytes) -> bytes:
    """A boundary that none of the contents holds."""
    attempt = 0
    while True:
        digest = hashlib.sha256(f"{message_id} mdn {attempt}".encode()).hexdigest()[:32]
        boundary = b"=_" + digest.encode()
        if not any(boundary in content for content in contents):
            return boundary
        attempt += 1
