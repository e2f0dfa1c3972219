"""Finds whole commands in what a client sends: lines with literals in them (RFC 3501 §2.2.1, §4.3, RFC 7888).

A command may be spread over lines, each ended by a literal's length. For a
synchronising literal the client waits for a go-ahead: `Go`. All bounds are on the
whole command, so ten thousand small literals are no way round them.
"""

import re
from dataclasses import dataclass

LINE_OCTETS = 64 * 1024
LITERALS = 100
LITERAL = re.compile(rb"\{([0-9]{1,20})(\+?)\}\Z")
TAG = re.compile(rb"[\x21\x23-\x24\x26-\x27\x2c-\x5b\x5d-\x7a\x7c\x7e]{1,64}(?= )")
# Commands that bring messages.
APPEND = re.compile(rb"[^ ]+ (?:APPEND|(?:UID )?REPLACE) ", re.IGNORECASE)
# What is thrown away of one refused command before the connection ends.
SKIPPED_OCTETS = 1 << 31


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole command without its last CRLF, literals inside."""

    octets: bytes | bytearray


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

    def __init__(self, *, literal_octets: int, append_octets: int) -> None:
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

    def feed(self, data: bytes) -> None:
        """Take octets from the client."""
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        self._buffer += data

    @property
    def is_between_commands(self) -> bool:
        """Whether nothing of a command has come yet."""
        return not self._buffer and not self._skip

    def take_rest(self) -> bytes:
        """What came after the last command: it is to be read in another way from now on."""
        rest = bytes(self._buffer)
        self.forget()
        return rest

    def forget(self) -> None:
        """TLS starts: what came in clear is not there."""
        self._buffer.clear()
        self._begin()

    def _begin(self) -> None:
        self._scanned = self._line_start = self._literals = self._literal_octets = 0

    def take_line(self) -> bytes | Broken | None:
        """A line on its own (an answer to AUTHENTICATE, DONE), without its CRLF."""
        end = self._buffer.find(b"\n")
        if end < 0:
            return Broken("The line is too long") if len(self._buffer) > LINE_OCTETS else None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r\n")

    def next_event(self) -> Event | None:
        """The next event, or None when more octets are needed."""
        if self._skip:
            return None
        while True:
            end = self._buffer.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = max(self._line_start, len(self._buffer))
                if len(self._buffer) - self._line_start > LINE_OCTETS:
                    return Broken("The line is too long")
                return None
            line_end = end - 1 if end > self._line_start and self._buffer[end - 1] == 13 else end
            if line_end - self._line_start > LINE_OCTETS:
                return Broken("The line is too long")
            tail = bytes(self._buffer[max(self._line_start, line_end - 24) : line_end])
            literal = LITERAL.search(tail)
            if self._refusal is not None:
                event = self._refused_line(literal, end)
                if event is not None or self._skip:
                    return event
                continue
            if literal is None:
                return Whole(self._take(line_end, end + 1))
            event = self._literal(int(literal[1]), not literal[2], end)
            if event is not None or self._skip or self._line_start > len(self._buffer):
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
        if self._literals <= LITERALS and self._literal_octets <= limit:
            self._line_start = self._scanned = end + 1 + octets
            return Go() if waits else None
        match = TAG.match(head)
        tag = match[0].decode() if match else "*"
        refusal = Refused(tag, f"A literal has at most {limit} octets here", is_too_big=is_append)
        if waits:
            # The client waits and sends nothing of it.
            self._drop(end + 1)
            return refusal
        # It is on its way already: let it pass, then answer.
        self._refusal = refusal
        self._skipped = 0
        return self._throw_away(octets, end)

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
