"""Finds whole commands in what a client sends: lines with literals in them (RFC 3501 §2.2.1, §4.3, RFC 7888).

A command may be spread over lines, each ended by a literal's length. For a
synchronising literal the client waits for a go-ahead: `Go`. All bounds are on the
whole command, so ten thousand small literals are no way round them.

A long literal of APPEND is not kept here: its octets go to a `Sink` as they come,
and in the command stands `{octets@number}` in its place, which no client can
write: after a line's end that is no literal's a command is over.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

LINE_OCTETS = 64 * 1024
LITERALS = 100
LITERAL = re.compile(rb"\{([0-9]{1,20})(\+?)\}\Z")
TAG = re.compile(rb"[\x21\x23-\x24\x26-\x27\x2c-\x5b\x5d-\x7a\x7c\x7e]{1,64}(?= )")
# What a line's end is looked for in, once the line is too long to be kept; from so many octets on it is no client's.
TAIL_OCTETS = 32
LONGEST_LINE_OCTETS = 1 << 20
TOO_LONG = "The line is too long"
# Commands that bring messages.
APPEND = re.compile(rb"[^ \r\n]+ (?:APPEND|(?:UID )?REPLACE) ", re.IGNORECASE)
# What is thrown away of one refused command before the connection ends.
SKIPPED_OCTETS = 1 << 31


# Literals from this size on go to a sink, where there is one.
APART_OCTETS = 256 * 1024


class Sink(Protocol):
    """Takes the octets of one long literal."""

    octets: int

    def write(self, data: bytes) -> None:
        """The next of them."""

    def close(self) -> None:
        """It is not wanted, or not any more."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole command without its last CRLF, literals inside; long ones apart. Who takes it closes these."""

    octets: bytes | bytearray
    apart: tuple[Sink, ...] = ()


@dataclass(frozen=True, slots=True)
class Go:
    """The client waits to send a literal: say `+`."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that is not taken. `tag` is "*" where it cannot be told."""

    tag: str
    text: str
    is_too_big: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """What follows cannot be understood: say BYE and close."""

    text: str


Event = Whole | Go | Refused | Broken


class Reader:
    """Feed octets, take events. The limits may be raised once the client has authenticated."""

    def __init__(
        self,
        *,
        literal_octets: int,
        append_octets: int,
        new_sink: Callable[[int], Sink | None] | None = None,
    ) -> None:
        # None of it: there is no room now.
        self.new_sink = new_sink
        self._apart: list[Sink] = []
        # What of the last of these is still to come.
        self._apart_left = 0
        self.literal_octets = literal_octets
        self.append_octets = append_octets
        self._buffer = bytearray()
        # Where the line that is being looked for begins to be looked through.
        self._scanned = 0
        self._line_start = 0
        self._literals = 0
        self._literal_octets = 0
        # Octets of a refused command that are still to be thrown away.
        self._skip = 0
        self._skipped = 0
        self._refusal: Refused | None = None
        # Of a line that is too long, what has been thrown away.
        self._line_skipped = 0

    def feed(self, data: bytes) -> None:
        """Take octets from the client."""
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        if self._apart_left:
            data = self._divert(data)
        self._buffer += data

    def _divert(self, data: bytes) -> bytes:
        """What of it is of the long literal goes there; the rest."""
        piece = data[: self._apart_left]
        self._apart[-1].write(piece)
        self._apart_left -= len(piece)
        return data[len(piece) :]

    @property
    def is_between_commands(self) -> bool:
        """Whether nothing of a command has come yet."""
        return not self._buffer and not self._skip and self._refusal is None

    def take_rest(self) -> bytes:
        """What came after the last command: it is to be read in another way from now on."""
        rest = bytes(self._buffer)
        self.forget()
        return rest

    def forget(self) -> None:
        """TLS starts: what came in clear is not there."""
        self._buffer.clear()
        self.abandon()
        self._begin()

    def abandon(self) -> None:
        """What came of long literals is not wanted: the command was refused, or the connection is over."""
        for sink in self._apart:
            sink.close()
        self._apart = []
        self._apart_left = 0

    def _begin(self) -> None:
        self._scanned = self._line_start = self._literals = self._literal_octets = 0

    def take_line(self) -> bytes | Refused | Broken | None:
        """A line on its own (an answer to AUTHENTICATE, DONE), without its CRLF."""
        end = self._buffer.find(b"\n")
        if end < 0:
            return self._shorten() if len(self._buffer) > LINE_OCTETS else None
        is_too_long = self._line_skipped or end > LINE_OCTETS
        self._line_skipped = 0
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return Refused("*", TOO_LONG) if is_too_long else line.rstrip(b"\r\n")

    def _shorten(self) -> Broken | None:
        """Keep of an endless line what its end may be told by."""
        excess = len(self._buffer) - TAIL_OCTETS
        self._line_skipped += excess
        self._drop(excess)
        return Broken("That is too much") if self._line_skipped > LONGEST_LINE_OCTETS else None

    def _refuse_line(self) -> None:
        """The answer waits for the line's end."""
        if self._refusal is None:
            self.abandon()
            self._refusal = Refused(self._tag(), TOO_LONG)
            self._skipped = 0

    def _tag(self) -> str:
        match = TAG.match(bytes(self._buffer[:80]))
        return match[0].decode() if match else "*"

    def next_event(self) -> Event | None:
        """The next event, or None when more octets are needed."""
        if self._skip or self._apart_left:
            return None
        while True:
            end = self._buffer.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = max(self._line_start, len(self._buffer))
                if len(self._buffer) - self._line_start <= LINE_OCTETS:
                    return None
                self._refuse_line()
                return self._shorten()
            line_end = end - 1 if end > self._line_start and self._buffer[end - 1] == 13 else end
            if line_end - self._line_start > LINE_OCTETS:
                self._refuse_line()
            self._line_skipped = 0
            tail = bytes(self._buffer[max(self._line_start, line_end - 24) : line_end])
            literal = LITERAL.search(tail)
            if self._refusal is not None:
                event = self._refused_line(literal, end)
                if event is not None or self._skip:
                    return event
                continue
            if literal is None:
                apart, self._apart = tuple(self._apart), []
                return Whole(self._take(line_end, end + 1), apart)
            event = self._literal(int(literal[1]), not literal[2], end)
            if event is not None or self._skip or self._line_start > len(self._buffer) or self._apart_left:
                return event

    def _take(self, octets: int, with_line_end: int) -> bytes | bytearray:
        """The command that has come; a large one that nothing follows is handed over and not copied."""
        if octets > LINE_OCTETS and with_line_end == len(self._buffer):
            whole, self._buffer = self._buffer, bytearray()
            del whole[octets:]
            self._begin()
            return whole
        copy = bytes(self._buffer[:octets])
        self._drop(with_line_end)
        return copy

    def _literal(self, octets: int, waits: bool, end: int) -> Event | None:
        """A literal is announced at the end of a line."""
        self._literals += 1
        self._literal_octets += octets
        head = bytes(self._buffer[:80])
        is_append = APPEND.match(head) is not None
        limit = self.append_octets if is_append else self.literal_octets
        sink: Sink | None = None
        fits = self._literals <= LITERALS and self._literal_octets <= limit
        text = f"A literal has at most {limit} octets here"
        if self._literals > LITERALS:
            is_append, text = False, f"A command has at most {LITERALS} literals"
        if fits and is_append and octets >= APART_OCTETS and self.new_sink is not None:
            sink = self.new_sink(octets)
            if sink is None:
                fits, text = False, "There is no room for a message of that size now"
        if sink is not None:
            self._begin_apart(sink, end)
            return Go() if waits else None
        if fits:
            self._line_start = self._scanned = end + 1 + octets
            return Go() if waits else None
        refusal = Refused(self._tag(), text, is_too_big=is_append)
        self.abandon()
        if waits:
            # The client waits and sends nothing of it.
            self._drop(end + 1)
            return refusal
        # It is on its way already: let it pass, then answer.
        self._refusal = refusal
        self._skipped = 0
        return self._throw_away(octets, end)

    def _begin_apart(self, sink: Sink, end: int) -> None:
        """Its octets, of which some may have come, go to the sink; the announcement is written anew."""
        start = self._buffer.rfind(b"{", 0, end)
        rest = bytes(self._buffer[end + 1 :])
        del self._buffer[start:]
        self._buffer += b"{%d@%d}\r\n" % (sink.octets, len(self._apart))
        self._line_start = self._scanned = len(self._buffer)
        self._apart.append(sink)
        self._apart_left = sink.octets
        self._buffer += self._divert(rest)

    def _refused_line(self, literal: "re.Match[bytes] | None", end: int) -> Event | None:
        """The rest of a refused command up to a line's end: more of it may follow as literals, never as commands."""
        assert self._refusal is not None
        if literal is not None and literal[2]:
            return self._throw_away(int(literal[1]), end)
        refusal, self._refusal = self._refusal, None
        self._drop(end + 1)
        return refusal

    def _throw_away(self, octets: int, end: int) -> Broken | None:
        self._skipped += octets
        if self._skipped > SKIPPED_OCTETS:
            return Broken("That is too much")
        self._drop(end + 1)
        dropped = min(octets, len(self._buffer))
        del self._buffer[:dropped]
        self._skip = octets - dropped
        return None

    def _drop(self, octets: int) -> None:
        del self._buffer[:octets]
        self._begin()
