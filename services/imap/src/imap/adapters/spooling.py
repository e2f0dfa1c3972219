"""Long literals of APPEND on the local disk while they come, and for as long as their command runs.

A file without a name takes them (it is gone with the process), so that a message of a hundred megabytes is nowhere in
memory as a whole. What all of them may take together is bounded; where there is no more room a client is refused. Of what
comes while the disk is full nothing is kept, and its command is refused when it is whole.
"""

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, Any

PIECE_OCTETS = 1 << 20


class Mapped(mmap.mmap):
    """A file's octets with what of `bytes` a parser wants beside; none of it is read before it is looked at."""

    def startswith(self, prefix: bytes, start: int = 0, end: int | None = None) -> bool:
        """As `bytes` has it."""
        limit = len(self) if end is None else min(end, len(self))
        return start + len(prefix) <= limit and self[start : start + len(prefix)] == prefix

    def count(self, octet: bytes, start: int = 0, end: int | None = None) -> int:
        """Of one octet."""
        limit = len(self) if end is None else min(end, len(self))
        return sum(
            self[at : min(at + PIECE_OCTETS, limit)].count(octet) for at in range(start, limit, PIECE_OCTETS)
        )


class LongText:
    """One literal: `write` while it comes; then its digest, and a look at its octets."""

    def __init__(self, spooling: "Spooling", octets: int) -> None:
        self.octets = octets
        self.has_nul = False
        self._spooling: Spooling | None = spooling
        self._digest = hashlib.sha256()
        self._is_kept = True
        # Closed by `close`, or with this object.
        self._file: IO[bytes] = TemporaryFile(dir=spooling.folder or None)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """The next octets."""
        self._digest.update(data)
        self.has_nul = self.has_nul or b"\0" in data
        if self._is_kept:
            try:
                self._file.write(data)
            except OSError:
                self._is_kept = False

    def is_kept(self) -> bool:
        """Whether all that has come is on the disk; to be asked before it is used."""
        if self._is_kept:
            try:
                self._file.flush()
            except OSError:
                self._is_kept = False
        return self._is_kept

    @property
    def digest(self) -> bytes:
        """SHA-256 of what has come."""
        return self._digest.digest()

    def pieces(self) -> Iterator[bytes]:
        """From the beginning; not while it comes."""
        self._file.flush()
        self._file.seek(0)
        while piece := self._file.read(PIECE_OCTETS):
            yield piece

    def file(self) -> IO[bytes]:
        """At its beginning."""
        self._file.flush()
        self._file.seek(0)
        return self._file

    @contextmanager
    def octets_of_file(self) -> Iterator[Any]:
        """Something like `bytes` with the whole of it, of which only what is looked at is in memory."""
        self._file.flush()
        mapped = Mapped(self._file.fileno(), self.octets, access=mmap.ACCESS_READ)
        try:
            yield mapped
        finally:
            # What a parser still holds of it keeps it open until that goes.
            with suppress(BufferError):
                mapped.close()

    def close(self) -> None:
        """It is needed no more."""
        if self._spooling is not None:
            self._spooling.taken_octets -= self.octets
            self._spooling = None
        with suppress(OSError):
            # What the full disk did not take.
            self._file.close()


class Spooling:
    """The room for all of a process's long literals."""

    def __init__(self, folder: str, octets: int) -> None:
        self.folder = folder
        self._octets = octets
        self.taken_octets = 0

    def take(self, octets: int) -> LongText | None:
        """Room for one; None where there is none, or no disk to write on."""
        if self.taken_octets + octets > self._octets:
            return None
        try:
            text = LongText(self, octets)
        except OSError:
            return None
        self.taken_octets += octets
        return text
