"""A bounded cache of octets in a file that has no name: it is gone with its process, whatever ends that.

The file is written round and round; what is overwritten is forgotten, so the oldest goes first. Nothing is synced and
nothing is trusted: a checksum is kept in memory for each entry. The octets lie in the kernel's page cache while there
is room, and not in this process.
"""

import os
import tempfile
from collections import OrderedDict
from typing import NamedTuple
from zlib import crc32

# Where an entry came from: object key, offset, length.
Key = tuple[str, int, int]
# An entry costs memory of its own; small bodies must not cost more than they save.
FEWEST_OCTETS_AN_ENTRY = 1024


class _Place(NamedTuple):
    position: int
    length: int
    checksum: int


class RingCache:
    """Octets by key, at most `capacity_octets` of them, in `folder` (empty: where temporary files go)."""

    def __init__(self, folder: str, capacity_octets: int) -> None:
        with tempfile.TemporaryFile(dir=folder or None, buffering=0) as file:
            self._file = os.dup(file.fileno())
        self._capacity = capacity_octets
        self._most_entries = capacity_octets // FEWEST_OCTETS_AN_ENTRY
        # The next octet that is written, and what is in the file, in the order in which it lies behind that.
        self._position = 0
        self._places: OrderedDict[Key, _Place] = OrderedDict()

    def __del__(self) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: Key) -> bytes | None:
        """What was put, or None. What was altered on the disk is forgotten."""
        place = self._places.get(key)
        if place is None:
            return None
        data = os.pread(self._file, place.length, place.position)
        if crc32(data) != place.checksum or len(data) != place.length:
            del self._places[key]
            return None
        return data

    def put(self, key: Key, data: bytes) -> None:
        """Keep it, if it is not larger than an eighth of the whole. A disk that is full keeps nothing."""
        if not data or len(data) > self._capacity // 8 or key in self._places:
            return
        if self._position + len(data) > self._capacity:
            self._forget(self._capacity)
            self._position = 0
        end = self._position + len(data)
        self._forget(end)
        try:
            written = os.pwrite(self._file, data, self._position)
        except OSError:
            return
        if written != len(data):
            return
        self._places[key] = _Place(self._position, len(data), crc32(data))
        self._position = end

    def _forget(self, end: int) -> None:
        """What lies between the position and `end`, and the oldest where there are too many."""
        while self._places:
            oldest = next(iter(self._places))
            place = self._places[oldest]
            is_in_the_way = self._position <= place.position < end
            if not is_in_the_way and len(self._places) < self._most_entries:
                return
            del self._places[oldest]
