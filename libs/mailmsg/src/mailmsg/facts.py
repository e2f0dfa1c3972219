"""What is computed once, when a message enters, so that nobody has to parse it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailmsg.parts import Part, encode_parts

MAX_HEADER_KEPT_OCTETS = 32 * 1024


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What IMAP asks of a message, in the form in which it is sent. See `examine`."""

    header_octets: int
    header: bytes
    envelope: bytes
    bodystructure: bytes
    body: bytes
    parts: bytes
    sent_at: datetime | None


def examine(message: bytes) -> MessageFacts:
    """The facts of a message as received. Linear in its size, bounded in memory, never raises."""
    end = message.find(b"\r\n\r\n")
    header_octets = len(message) if end < 0 else end + 4
    size_octets = len(message) - header_octets
    body = b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" %d %d' % (
        size_octets,
        message.count(b"\n", header_octets),
    )
    parts = [
        Part(section, "text/plain", "7bit", 0, header_octets, size_octets, header_octets)
        for section in ((), (1,))
    ]
    return MessageFacts(
        header_octets,
        message[:header_octets] if header_octets <= MAX_HEADER_KEPT_OCTETS else b"",
        b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        body + b" NIL NIL NIL NIL)",
        body + b")",
        encode_parts(parts),
        None,
    )
