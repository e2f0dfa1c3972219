"""A message in chunks of a length that is said before (RFC 3030 §2): no octet in them ends anything.

A chunk that cannot be taken is read to its end and thrown away, and only then
refused; so are chunks that were sent behind it without waiting.
"""

from mailproto.smtp.reply import Reply
from mailproto.smtp.server_data import Flaw, Received, flaw_of
from mailproto.smtp.server_input import Input

# A chunk that is to be thrown away and is bigger than this is not read: the session ends.
DISCARDED_MOST_OCTETS = 1 << 30


class ChunkReader:
    """Reads one message. `octets` is what it holds now.

    `is_binary`: the body may hold any octet (BODY=BINARYMIME, RFC 3030 §3); its header may not.
    """

    def __init__(self, limit_octets: int, *, is_binary: bool) -> None:
        self._limit = limit_octets
        self._is_binary = is_binary
        self._content = bytearray()
        self._size = 0
        self._left = 0
        self._is_last = False

    @property
    def octets(self) -> int:
        """How much is held."""
        return len(self._content)

    def has_room(self, size_octets: int) -> bool:
        """Whether a chunk of this size would fit."""
        return len(self._content) + size_octets <= self._limit

    def begin(self, size_octets: int, *, is_last: bool) -> None:
        """A chunk begins."""
        self._size = self._left = size_octets
        self._is_last = is_last

    def feed(self, source: Input) -> Received | Reply | None:
        """Take what is there of the chunk: None until it is whole; a reply to it; for the last one the message."""
        data = source.take(self._left)
        self._left -= len(data)
        self._content += data
        if self._left:
            return None
        if not self._is_last:
            return Reply.of(250, "2.0.0", f"{self._size} octets came")
        flaw = self._flaw()
        return Received(b"" if flaw else bytes(self._content), flaw)

    def _flaw(self) -> Flaw | None:
        if not self._is_binary:
            return flaw_of(self._content)
        end = self._content.find(b"\r\n\r\n")
        return flaw_of(self._content if end < 0 else self._content[: end + 4])


class Discard:
    """Reads a chunk, keeps nothing of it and gives the refusal."""

    octets = 0

    def __init__(self, size_octets: int, refusal: Reply) -> None:
        self._left = size_octets
        self._refusal = refusal

    def feed(self, source: Input) -> Reply | None:
        """The refusal once the chunk has come whole."""
        self._left -= len(source.take(self._left))
        return None if self._left else self._refusal
