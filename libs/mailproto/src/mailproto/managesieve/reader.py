"""Commands of a ManageSieve client, cut from the stream (RFC 5804 §4).

A command is a word and arguments on one line: quoted strings, numbers, and literals `{n+}` whose octets follow the
line's end. Nothing longer than the limits is kept: of a literal that is too large, or is that together with those
before it in the same command, nothing is.

    command = word *(SP argument) CRLF
    argument = quoted / literal / number / word
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_LINE_OCTETS = 8 * 1024
# A literal that is this many times larger than allowed is not read to its end.
PATIENCE = 8
# Room for the literal that names what another holds.
BESIDES_OCTETS = 1024
_LITERAL = re.compile(rb"\{(\d{1,10})\+\}\r\n")
_WORD = re.compile(rb"[^\s\"{}()\\\x00-\x1f\x7f]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word or number, as it was written."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class String:
    """A quoted string or a literal; `octets` is None for one that was too large."""

    octets: bytes | None


Argument = Word | String


@dataclass(frozen=True, slots=True)
class Line:
    """One command: its arguments, the first of which is its name (an answer within AUTHENTICATE has only a string)."""

    arguments: tuple[Argument, ...]


class BadLine(Exception):
    """No command; the rest of the line is skipped."""


class Hopeless(Exception):
    """Where the next command begins cannot be known: the connection must end."""


class LineReader:
    """Give octets to `add`, take lines from `next_line`."""

    def __init__(self, literal_octets: int) -> None:
        self.literal_octets = literal_octets
        """Literals larger than this are skipped, and what is more than that in one command but for a name; may be
        changed between lines."""
        self._buffer = bytearray()
        self._arguments: list[Argument] = []
        self._line_octets = 0
        self._literals_octets = 0
        self._literal_left: int | None = None
        self._literal_kept = False
        self._skipping = False

    def add(self, data: bytes) -> None:
        """What arrived."""
        self._buffer += data

    def clear(self) -> None:
        """Forget everything that arrived (RFC 5804 §2.2: nothing said in clear counts after STARTTLS)."""
        self.__init__(self.literal_octets)  # type: ignore[misc]

    def next_line(self) -> Line | None:
        """The next command, or None when more octets are needed. Raises BadLine, Hopeless."""
        while True:
            if self._skipping and not self._skip():
                return None
            if self._literal_left is not None:
                if not self._literal():
                    return None
                continue
            if not self._buffer:
                return None
            if self._buffer[0] == 0x20:
                del self._buffer[0]
                self._count(1)
                continue
            if self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]
                line = Line(tuple(self._arguments))
                self._begin()
                return line
            if not self._argument():
                return None

    def _begin(self) -> None:
        self._arguments = []
        self._line_octets = 0
        self._literals_octets = 0

    def _count(self, octets: int) -> None:
        self._line_octets += octets
        if self._line_octets > LONGEST_LINE_OCTETS:
            raise Hopeless("The line is too long")

    def _bad(self, text: str) -> BadLine:
        self._begin()
        self._skipping = True
        return BadLine(text)

    def _skip(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > LONGEST_LINE_OCTETS:
                raise Hopeless("The line is too long")
            return False
        del self._buffer[: end + 2]
        self._skipping = False
        return True

    def _literal(self) -> bool:
        left = self._literal_left
        assert left is not None
        if not self._literal_kept:
            gone = min(left, len(self._buffer))
            del self._buffer[:gone]
            self._literal_left = left - gone
            if self._literal_left:
                return False
            self._arguments.append(String(None))
        elif len(self._buffer) < left:
            return False
        else:
            self._arguments.append(String(bytes(self._buffer[:left])))
            del self._buffer[:left]
        self._literal_left = None
        return True

    def _argument(self) -> bool:
        """One argument at the start of the buffer; False when it has not come whole."""
        buffer = self._buffer
        first = buffer[0]
        if first == 0x22:
            found = _QUOTED.match(buffer, 0, LONGEST_LINE_OCTETS)
            if found is None:
                if any(octet in buffer[:LONGEST_LINE_OCTETS] for octet in (b"\r", b"\n", b"\0")):
                    raise self._bad("A quoted string has no end")
                return self._more()
            octets = re.sub(rb"\\(.)", rb"\1", found[1])
            self._take(String(octets), found.end())
            return True
        if first == 0x7B:
            found = _LITERAL.match(buffer)
            if found is None:
                if len(buffer) > 16 or b"\n" in buffer:
                    raise Hopeless("A literal must be written {octets+}")
                return False
            size = int(found[1])
            self._literals_octets += size
            if self._literals_octets > self.literal_octets * PATIENCE:
                raise Hopeless("The literal is too large")
            self._count(found.end())
            del buffer[: found.end()]
            self._literal_left = size
            self._literal_kept = (
                size <= self.literal_octets and self._literals_octets <= self.literal_octets + BESIDES_OCTETS
            )
            return True
        found = _WORD.match(buffer, 0, LONGEST_LINE_OCTETS)
        if found is None:
            if buffer == b"\r":
                return False
            raise self._bad("That is no argument")
        if found.end() == len(buffer):
            return self._more()
        self._take(Word(found[0]), found.end())
        return True

    def _more(self) -> bool:
        if self._line_octets + len(self._buffer) > LONGEST_LINE_OCTETS:
            raise Hopeless("The line is too long")
        return False

    def _take(self, argument: Argument, octets: int) -> None:
        self._count(octets)
        del self._buffer[:octets]
        self._arguments.append(argument)
