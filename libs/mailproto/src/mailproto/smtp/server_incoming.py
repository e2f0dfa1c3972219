"""The message of a transaction as it comes: by DATA, or by BDAT in chunks that share one reader."""

from enum import Enum

from mailproto.smtp.reply import Reply
from mailproto.smtp.server_chunks import DISCARDED_MOST_OCTETS, ChunkReader, Discard
from mailproto.smtp.server_data import DataReader, Flaw, Received
from mailproto.smtp.server_input import Input


class Chunk(Enum):
    """What becomes of a chunk whose BDAT has come."""

    FIRST = "the first of a message"
    NEXT = "one more"
    DISCARDED = "read, thrown away and refused"
    ENDLESS = "too big even for that"


class Incoming:
    """At most one message at a time."""

    def __init__(self, limit_octets: int) -> None:
        self._limit = limit_octets
        self._reader: DataReader | ChunkReader | Discard | None = None
        self._chunks: ChunkReader | None = None

    @property
    def reads(self) -> bool:
        """Whether what comes now is content, not commands."""
        return self._reader is not None

    @property
    def is_under_way(self) -> bool:
        """Between 354, or the first BDAT, and the end of the message."""
        return self._reader is not None or self._chunks is not None

    @property
    def octets(self) -> int:
        """How much is held."""
        reader = self._chunks or self._reader
        return 0 if reader is None else reader.octets

    def begin_data(self) -> None:
        """354 was said."""
        self._reader = DataReader(self._limit)

    def begin_chunk(self, size_octets: int, *, is_last: bool, is_binary: bool) -> Chunk:
        """BDAT in a state where it may come. A chunk that does not fit is discarded with 552."""
        place = Chunk.NEXT if self._chunks is not None else Chunk.FIRST
        chunks = self._chunks or ChunkReader(self._limit, is_binary=is_binary)
        if not chunks.has_room(size_octets):
            return self.discard_chunk(size_octets, Flaw.TOO_BIG.reply)
        chunks.begin(size_octets, is_last=is_last)
        self._chunks = self._reader = chunks
        return place

    def discard_chunk(self, size_octets: int, refusal: Reply) -> Chunk:
        """BDAT that is refused: its octets come all the same (RFC 3030 §2)."""
        self.forget()
        if size_octets > DISCARDED_MOST_OCTETS:
            return Chunk.ENDLESS
        self._reader = Discard(size_octets, refusal)
        return Chunk.DISCARDED

    def feed(self, source: Input) -> Received | Reply | None:
        """Take what is there; None: more must come. A reply is one to a chunk, refused where it is not positive."""
        if self._reader is None:
            return None
        received = self._reader.feed(source)
        if received is not None:
            self._reader = None
        return received

    def forget(self) -> None:
        """Keep nothing."""
        self._reader = self._chunks = None
