"""What came from the peer and has not been taken yet: as command lines (RFC 5321 §2.3.8, §4.5.3.1.4), or as octets.

A line ends with CRLF and holds no other CR or LF; anything else is a fault, and is
taken out like a line, so that the next line is found where the peer means it.
"""

from enum import Enum

LINE_OCTETS = 2048
# RFC 4954 §4: a line of an AUTH exchange; its first one begins with the command.
AUTH_OCTETS = 12_288
AUTH = b"AUTH "


class LineFault(Enum):
    """What is wrong with a line."""

    TOO_LONG = "The line is too long"
    BREAK = "A line ends with CRLF and holds no other CR or LF"
    NUL = "A line holds no NUL"


class Input:
    """A buffer with an end at which octets come and a beginning at which they are taken."""

    __slots__ = ("_buffer", "_skipping_line")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping_line = False

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Octets that came."""
        self._buffer += data

    def clear(self) -> None:
        """Forget everything."""
        self._buffer.clear()

    def take_all(self) -> bytearray:
        """Everything, which is the taker's own."""
        data, self._buffer = self._buffer, bytearray()
        return data

    def take(self, octets: int) -> bytearray:
        """At most so many octets."""
        if octets >= len(self._buffer):
            return self.take_all()
        data = self._buffer[:octets]
        del self._buffer[:octets]
        return data

    def holds_line_of(self, verb: bytes) -> bool:
        """Whether the next thing is a whole line, of a good length, that begins with this verb and a space."""
        front = verb + b" "
        if self._skipping_line or self._buffer[: len(front)].upper() != front:
            return False
        return 0 <= self._buffer.find(b"\n") < LINE_OCTETS

    def next_line(self, octets_most: int = LINE_OCTETS) -> bytes | LineFault | None:
        """A line without its CRLF; None where it has not come whole. Of an endless line nothing is kept."""
        end = self._buffer.find(b"\n")
        if not 0 <= end < octets_most and self._buffer[:5].upper() == AUTH:
            octets_most = max(octets_most, AUTH_OCTETS)
        if end < 0:
            if len(self._buffer) > octets_most:
                self._skipping_line = True
                self._buffer.clear()
            return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if self._skipping_line or len(line) > octets_most:
            self._skipping_line = False
            return LineFault.TOO_LONG
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            return LineFault.BREAK
        return LineFault.NUL if b"\0" in line else line[:-2]
