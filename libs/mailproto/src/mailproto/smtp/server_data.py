"""The message after 354, until CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4, §4.5.2).

A bare CR or LF never ends a line: a message that holds one is read to its true
end and then refused as a whole, so that two systems cannot disagree about where
it ends ("SMTP smuggling"). A message over the limit is read to its end too, but
not kept.
"""

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from mailproto.smtp.reply import Reply
from mailproto.smtp.server_input import Input

END = b"\r\n.\r\n"
# A line that begins with a period, behind its neighbour's end; where nothing follows the period, it is the message's end.
DOTTED = re.compile(rb"\r\n\.(\r\n)?")
# So many periods are taken out one by one. Most messages have none, and whole columns of them are found quicker together.
DOTTED_NOTED = 64
BLOCK_OCTETS = 64 * 1024
PLACES_OF_CR = bytes(octet == 0x0D for octet in range(256))
PLACES_OF_LF = bytes(octet == 0x0A for octet in range(256))


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
    # Before every LF stands a CR, and nowhere else: moved by one, the places of both are the same.
    before = b"\0"
    for start in range(0, len(text), BLOCK_OCTETS):
        block = text[start : start + BLOCK_OCTETS]
        places = before + block.translate(PLACES_OF_CR)
        if not places.startswith(block.translate(PLACES_OF_LF)):
            return Flaw.BARE_CR_OR_LF
        before = places[-1:]
    if before != b"\0":
        return Flaw.BARE_CR_OR_LF
    return Flaw.NUL if b"\0" in text else None


class DataReader:
    """Reads one message. `octets` is what it holds now."""

    def __init__(self, limit_octets: int) -> None:
        self._limit = limit_octets
        # The CRLF of the DATA line: an end right at the beginning is an end.
        self._buffer = bytearray(b"\r\n")
        self._too_big = False
        # Where lines end behind which one begins with a period: the first few.
        self._dotted: list[int] = []

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
        end = self._end(start)
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
        return Received(self._without_stuffing(raw, end), None)

    def _end(self, start: int) -> int:
        """Where the end begins, -1 where it has not come. Lines that begin with a period are noted on the way."""
        for found in DOTTED.finditer(self._buffer, start):
            at = found.start()
            if found[1] is not None:
                return at
            if len(self._dotted) == DOTTED_NOTED:
                return self._buffer.find(END, at)
            # The last octets of what came before are looked at again.
            if not self._dotted or at > self._dotted[-1]:
                self._dotted.append(at)
        return -1

    def _without_stuffing(self, raw: bytes, end: int) -> bytes:
        """A period at the beginning of a line is not part of the line (RFC 5321 §4.5.2). `raw` begins with the DATA line's
        end left off, so what was noted of it is where the period stands.
        """
        periods = [at for at in self._dotted if at < end]
        if not periods:
            return raw
        view = memoryview(raw)
        pieces: list[bytes | memoryview] = [view[: periods[0]]]
        pieces += [view[at + 1 : until] for at, until in pairwise(periods)]
        last = periods[-1] + 1
        pieces.append(view[last:] if len(periods) < DOTTED_NOTED else raw[last:].replace(b"\r\n.", b"\r\n"))
        return b"".join(pieces)
