"""Command lines (RFC 1939 §3, RFC 2449 §4): cut from the stream, split into keyword and arguments.

Lines end in CRLF; a bare LF is taken too. A line may have 255 octets with its end, an answer within an SASL exchange
more (RFC 5034 §4). Of a longer one nothing is kept.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

LONGEST_COMMAND_OCTETS = 255
LONGEST_SASL_OCTETS = 12 * 1024
MOST_DISCARDED_OCTETS = 64 * 1024


class Keyword(Enum):
    """The commands that this server knows."""

    CAPA = b"CAPA"
    USER = b"USER"
    PASS = b"PASS"
    AUTH = b"AUTH"
    STLS = b"STLS"
    QUIT = b"QUIT"
    STAT = b"STAT"
    LIST = b"LIST"
    RETR = b"RETR"
    DELE = b"DELE"
    NOOP = b"NOOP"
    RSET = b"RSET"
    TOP = b"TOP"
    UIDL = b"UIDL"
    UTF8 = b"UTF8"
    LANG = b"LANG"

    # A member is one of a kind; the hash of its name, which an Enum has, is made anew each time.
    __hash__ = object.__hash__


_KEYWORDS = {keyword.value: keyword for keyword in Keyword}


class Command(NamedTuple):
    """One command. `keyword` is None for one that is unknown; `rest` is what follows the keyword and one blank."""

    keyword: Keyword | None
    rest: bytes

    @property
    def arguments(self) -> list[bytes]:
        """The rest, split at blanks."""
        return self.rest.split()


def parse_command(line: bytes) -> Command:
    """Split a line without its end. Keywords are case-insensitive."""
    word, _, rest = line.partition(b" ")
    return Command(_KEYWORDS.get(word.rstrip().upper()), rest)


def parse_number(argument: bytes) -> int | None:
    """A message number or a count of lines; None for what is none."""
    if not argument.isdigit() or len(argument) > 10:
        return None
    return int(argument)


class LineTooLong(Exception):
    """A line passed the limit; the rest of it will be skipped."""


class Flooded(Exception):
    """The peer sends no line end: the connection is not worth keeping."""


class LineBuffer:
    """What arrived and is not yet used, bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False
        self._skipped = 0
        self._searched = 0

    def add(self, data: bytes) -> None:
        self._buffer += data

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a line has come."""
        return not self._buffer and not self._skipping

    def clear(self) -> None:
        """Forget everything."""
        self._buffer.clear()
        self._skipping = False
        self._skipped = self._searched = 0

    def next_line(self, longest_octets: int) -> bytes | None:
        """The next line without its end, or None. Raises LineTooLong (once for a line) and Flooded."""
        buffer = self._buffer
        while True:
            line_feed = buffer.find(b"\n", self._searched)
            if self._skipping:
                self._skipped += len(buffer) if line_feed < 0 else line_feed
                if self._skipped > MOST_DISCARDED_OCTETS:
                    raise Flooded
                if line_feed < 0:
                    self._searched = 0
                    buffer.clear()
                    return None
                del buffer[: line_feed + 1]
                self._searched = 0
                self._skipping = False
                continue
            if line_feed < 0 and len(buffer) < longest_octets:
                self._searched = len(buffer)
                return None
            self._searched = 0
            if line_feed < 0 or line_feed >= longest_octets:
                self._skipping = True
                self._skipped = 0
                raise LineTooLong
            line = bytes(buffer[:line_feed])
            del buffer[: line_feed + 1]
            return line.removesuffix(b"\r")
