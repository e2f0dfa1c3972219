"""The body of a multi-line response (RFC 1939 §3), made as the message streams by.

`DotStuffer` doubles dots at the start of lines and ends with the final dot. `TopCutter` lets through the header, the
blank line and so many lines of the body (RFC 1939 §7, TOP).
"""

from __future__ import annotations

import re

_BLANK_LINE = re.compile(rb"\n\r?\n")
# Up to so many dots are looked for one by one, which is far cheaper than replacing where there are few.
_FEW_DOTS = 16


class DotStuffer:
    """Byte-stuffs one message given in chunks.

    A line starts after every LF, also a bare one: a reader that takes a bare LF for a line end would otherwise see
    an early final dot.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"  # The last two octets: what comes first starts a line.

    def stuff(self, chunk: bytes) -> bytes:
        """The octets to send for this chunk."""
        if not chunk:
            return b""
        stuffed = _doubled(chunk)
        if self._tail.endswith(b"\n") and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._tail = (self._tail + chunk[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """The end of the response; a message whose last line has no CRLF gets one."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


def stuffed_whole(content: bytes) -> bytes:
    """What `DotStuffer` makes of a message that is at hand as a whole, its end included."""
    start = b"." if content.startswith(b".") else b""
    end = b".\r\n" if not content or content.endswith(b"\r\n") else b"\r\n.\r\n"
    return b"".join((start, _doubled(content), end))


def _doubled(octets: bytes) -> bytes:
    """With the dots doubled that come right after a LF."""
    found = octets.find(b"\n.")
    if found < 0:
        return octets
    pieces: list[bytes] = []
    start = 0
    while found >= 0 and len(pieces) < _FEW_DOTS:
        # With the LF; the dot comes again with what follows.
        pieces.append(octets[start : found + 2])
        start = found + 1
        found = octets.find(b"\n.", found + 2)
    rest = octets[start:]
    pieces.append(rest if found < 0 else rest.replace(b"\n.", b"\n.."))
    return b"".join(pieces)


class TopCutter:
    """Passes the header block, the blank line after it, and the first `lines` lines of the body."""

    __slots__ = ("_in_body", "_lines_left", "_tail", "done")

    def __init__(self, lines: int) -> None:
        self._lines_left = lines
        self._in_body = False
        # Enough of what has passed to see a blank line that is split between chunks. A message that begins with
        # a blank line has an empty header.
        self._tail = b"\n"
        self.done = False

    def cut(self, chunk: bytes) -> bytes:
        """The part of this chunk that is asked for; `done` is set when no more is."""
        start = 0
        if not self._in_body:
            window = self._tail + chunk
            found = _BLANK_LINE.search(window)
            if found is None:
                self._tail = window[-2:]
                return chunk
            self._in_body = True
            start = found.end() - len(self._tail)
        end = start
        while self._lines_left:
            line_feed = chunk.find(b"\n", end)
            if line_feed < 0:
                return chunk
            end = line_feed + 1
            self._lines_left -= 1
        self.done = True
        return chunk[:end]
