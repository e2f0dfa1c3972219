"""COMPRESS=DEFLATE (RFC 4978): both directions of a connection as raw DEFLATE streams.

Our window is small: an idle connection costs 32 KiB for what goes out and up to 40 KiB for what comes in, where zlib
would by itself take 300. A client's octets are inflated piece by piece, so that a kilobyte of zeros that stands for a
megabyte is never more than a piece in memory.
"""

import zlib

PIECE_OCTETS = 64 * 1024
WINDOW_BITS = 12
MEMORY_LEVEL = 5
# Clients may use the largest window.
CLIENTS_WINDOW_BITS = 15


class StreamBroken(Exception):
    """The client's octets are no DEFLATE stream."""


class Deflate:
    """One connection's two streams."""

    def __init__(self) -> None:
        self._out = zlib.compressobj(6, zlib.DEFLATED, -WINDOW_BITS, MEMORY_LEVEL)
        self._in = zlib.decompressobj(-CLIENTS_WINDOW_BITS)
        self._waiting = b""
        # zlib keeps the end of a match back when a piece is full, though its input is used up.
        self._was_full = False

    def deflate(self, data: bytes) -> bytes:
        """Octets for the client, whole so that it can read them now."""
        return self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH)

    @property
    def has_more(self) -> bool:
        """Whether `inflate` has something to give without new octets."""
        return bool(self._waiting) or self._was_full

    def inflate(self, data: bytes) -> bytes:
        """At most a piece of what the client sent. Raises StreamBroken."""
        if self._in.eof:
            raise StreamBroken("the stream has ended")
        try:
            piece = self._in.decompress(self._waiting + data, PIECE_OCTETS)
        except zlib.error as error:
            raise StreamBroken(str(error)) from error
        self._waiting = self._in.unconsumed_tail
        self._was_full = len(piece) == PIECE_OCTETS
        return piece
