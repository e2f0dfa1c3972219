"""The message after 354, until CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4, §4.5.2).

A bare CR or LF never ends a line: a message that holds one is read to its true
end and then refused as a whole, so that two systems cannot disagree about where
it ends ("SMTP smuggling"). A message over the limit is read to its end too, but
not kept.
"""

from dataclasses import dataclass
from enum import Enum

END = b"\r\n.\r\n"


class Flaw(Enum):
    """Why a message cannot be accepted."""

    TOO_BIG = "too big"
    BARE_CR_OR_LF = "bare CR or LF"
    NUL = "NUL"


@dataclass(frozen=True, slots=True)
class Received:
    """A message that has come to its end; `content` is empty where it has a flaw. `rest` is what followed it."""

    content: bytes
    flaw: Flaw | None
    rest: bytes


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

    def give_up(self) -> None:
        """Keep nothing more of it; the message will be found too big."""
        self._too_big = True
        del self._buffer[: -len(END) + 1]

    def feed(self, data: bytes) -> Received | None:
        """Take more; the message once its end has come."""
        start = max(0, len(self._buffer) - len(END) + 1)
        self._buffer += data
        end = self._buffer.find(END, start)
        if end < 0:
            if self._too_big:
                del self._buffer[: -len(END) + 1]
            elif len(self._buffer) > self._limit + len(END):
                self.give_up()
            return None
        rest = bytes(self._buffer[end + len(END) :])
        if self._too_big or end > self._limit:
            return Received(b"", Flaw.TOO_BIG, rest)
        raw = bytes(self._buffer[: end + 2])
        breaks = raw.count(b"\r\n")
        if raw.count(b"\n") != breaks or raw.count(b"\r") != breaks:
            return Received(b"", Flaw.BARE_CR_OR_LF, rest)
        if b"\0" in raw:
            return Received(b"", Flaw.NUL, rest)
        # RFC 5321 §4.5.2: a period at the beginning of a line is not part of the line.
        if b"\r\n." in raw:
            raw = raw.replace(b"\r\n.", b"\r\n")
        return Received(raw[2:], None, rest)
