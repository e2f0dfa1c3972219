"""The message after 354, until CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4, §4.5.2).

A bare CR or LF never ends a line: a message that holds one is read to its true
end and then refused as a whole, so that two systems cannot disagree about where
it ends ("SMTP smuggling"). A message over the limit is read to its end too, but
not kept.
"""

import re
from dataclasses import dataclass
from enum import Enum

from mailproto.smtp.reply import Reply
from mailproto.smtp.server_input import Input

END = b"\r\n.\r\n"
BARE_CR = re.compile(rb"\r(?!\n)")
USUAL_LINE_OCTETS = 16


class Flaw(Enum):
    """Why a message cannot be accepted."""

    TOO_BIG = "too big"
    BARE_CR_OR_LF = "bare CR or LF"
    NUL = "NUL"

    @property
    def reply(self) -> Reply:
        """What the peer is told."""
        return REPLIES[self]


REPLIES = {
    Flaw.TOO_BIG: Reply.of(552, "5.3.4", "The message is too big"),
    Flaw.BARE_CR_OR_LF: Reply.of(
        550, "5.5.2", "The message holds a CR or LF that is not part of a CRLF (RFC 5321 2.3.8)"
    ),
    Flaw.NUL: Reply.of(550, "5.6.0", "The message holds a NUL"),
}


@dataclass(frozen=True, slots=True)
class Received:
    """A message that has come to its end; `content` is empty where it has a flaw."""

    content: bytes
    flaw: Flaw | None


def flaw_of(text: bytes | bytearray) -> Flaw | None:
    """What makes lines ambiguous or is no text at all."""
    breaks = text.count(b"\n")
    if text.count(b"\r") != breaks:
        return Flaw.BARE_CR_OR_LF
    # As many of the one as of the other: none is bare where no CR is. Lines of a usual length are searched quicker than
    # counted.
    if breaks * USUAL_LINE_OCTETS < len(text):
        is_bare = BARE_CR.search(text) is not None
    else:
        is_bare = text.count(b"\r\n") != breaks
    if is_bare:
        return Flaw.BARE_CR_OR_LF
    return Flaw.NUL if b"\0" in text else None


class DataReader:
    """Reads one message. `octets` is what it holds now."""

    def __init__(self, limit_octets: int) -> None:
        self._limit = limit_octets
        # The CRLF of the DATA line: an end right at the beginning is an end.
        self._buffer = bytearray(b"\r\n")
        self._too_big = False

    @property
    def octets(self) -> int:
        """How much is held."""
        return len(self._buffer)

    def feed(self, source: Input) -> Received | None:
        """Take what came; the message once its end has come. What follows the end is left."""
        if not source:
            return None
        start = max(0, len(self._buffer) - len(END) + 1)
        self._buffer += source.take_all()
        end = self._buffer.find(END, start)
        if end < 0:
            if len(self._buffer) > self._limit + len(END):
                self._too_big = True
            if self._too_big:
                del self._buffer[: -len(END) + 1]
            return None
        with memoryview(self._buffer) as came:
            if len(came) > end + len(END):
                source.feed(came[end + len(END) :])
            if self._too_big or end > self._limit:
                return Received(b"", Flaw.TOO_BIG)
            # Without the CRLF of the DATA line; the last line's own belongs to it.
            raw = bytes(came[2 : end + 2])
        if (flaw := flaw_of(raw)) is not None:
            return Received(b"", flaw)
        # RFC 5321 §4.5.2: a period at the beginning of a line is not part of the line.
        if b"\r\n." in raw:
            raw = raw.replace(b"\r\n.", b"\r\n")
        return Received(raw[1:] if raw.startswith(b".") else raw, None)
