"""Build a plain text message (RFC 5322, RFC 2045): CRLF line ends, no line over 998 octets, no 8-bit octets but in
addresses (RFC 6532).

Header values that hold a line end or NUL are refused: nothing that a caller passes on can become a header field.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from mailmsg.date import format_date
from mailmsg.words import encode_words

_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONGEST_LINE_OCTETS = 998  # RFC 5322 §2.1.1


def build_text(
    *,
    sender: str,
    recipients: Sequence[str],
    subject: str,
    text: str,
    message_id: str,
    sent_at: datetime,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """A message of one text/plain part.

    `sender` and `recipients` are address specs, or `Name <address>` with an ASCII name; `message_id` comes with its
    angle brackets; `extra` holds further ASCII fields by name. Raises ValueError for a value that is no header text.
    """
    lines = [
        field(b"From", sender.encode()),
        field(b"To", ", ".join(recipients).encode() or b"undisclosed-recipients:;"),
        field(b"Subject", encode_words(checked(subject)), folded=True),
        field(b"Date", format_date(sent_at)),
        field(b"Message-ID", message_id.encode()),
    ]
    lines.extend(field(name.encode("ascii"), value.encode()) for name, value in (extra or {}).items())
    encoding, body = encode_text(text)
    lines.append(b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
    lines.append(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n")
    lines.append(body)
    return b"".join(lines)


def field(name: bytes, value: bytes, *, folded: bool = False) -> bytes:
    """One header field with its line end, folded at blanks where it would pass 78 octets (RFC 5322 §2.2.3).

    A value that is `folded` already may hold line ends that are followed by a blank. Raises ValueError otherwise.
    """
    plain = value.replace(b"\r\n ", b" ") if folded else value
    checked(plain.decode("utf-8", "surrogateescape"))
    if folded or len(name) + len(value) <= 76:
        return name + b": " + value + b"\r\n"
    lines = [name + b":"]
    for word in value.split(b" "):
        if len(lines[-1]) + 1 + len(word) > 78 and lines[-1] not in (b"", name + b":") and word:
            lines.append(b"")
        lines[-1] += b" " + word
    return b"\r\n".join(lines) + b"\r\n"


def checked(text: str) -> str:
    """The text itself. Raises ValueError where it holds a line end or another control character."""
    if _UNFIT.search(text) is not None:
        raise ValueError("a header value holds a control character")
    return text


def encode_text(text: str) -> tuple[bytes, bytes]:
    """(transfer encoding, octets) of a text: as it is where that is plain, else quoted-printable."""
    octets = _LINE_END.sub(b"\r\n", text.encode("utf-8", "replace"))
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    plain = octets.isascii() and b"\0" not in octets
    if plain and all(len(line) <= _LONGEST_LINE_OCTETS for line in octets.split(b"\r\n")):
        return b"7bit", octets
    # b2a_qp takes the line ends that it finds first for all of them; ours are CRLF throughout.
    return b"quoted-printable", binascii.b2a_qp(octets, quotetabs=False, istext=True)
