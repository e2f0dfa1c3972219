"""A bounded cache of octets in a file that has no name: it is gone with its process, whatever ends that.

The file is written round and round; what is overwritten is forgotten, so the oldest goes first. Nothing is synced and
nothing is trusted: checksums are kept in memory, one for each CHUNK_OCTETS of an entry. The octets lie in the kernel's
page cache while there is room, and not in this process.

What was read together is found by its parts too: a range within one that is kept is cut out of it.
"""

import os
import tempfile
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from typing import NamedTuple
from zlib import crc32

# Where an entry came from: object key, offset, length.
Key = tuple[str, int, int]
# An entry costs memory of its own; small bodies must not cost more than they save.
FEWEST_OCTETS_AN_ENTRY = 1024
# A part of an entry is read with the rest of its chunks, which are checked.
CHUNK_OCTETS = 16 * 1024
# So many ranges of an object are looked at that begin before what is sought.
MOST_TRIED = 8


class _Place(NamedTuple):
    position: int
    length: int
    checksums: tuple[int, ...]


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
        # Of each object the ranges that are kept: offset and length, in order.
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def __del__(self) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: Key) -> bytes | None:
        """What was put, or None. What was altered on the disk is forgotten."""
        place = self._places.get(key)
        if place is not None:
            return self._read(key, place, 0, place.length)
        around = self._around(key)
        if around is None:
            return None
        return self._read(around, self._places[around], key[1] - around[1], key[2])

    def _around(self, key: Key) -> Key | None:
        """An entry in which this range lies."""
        name, offset, length = key
        ranges = self._ranges.get(name)
        if not ranges or length < 1:
            return None
        behind = bisect_right(ranges, (offset, 1 << 62))
        for start, octets in reversed(ranges[max(0, behind - MOST_TRIED) : behind]):
            if offset + length <= start + octets:
                return (name, start, octets)
        return None

    def _read(self, key: Key, place: _Place, start: int, length: int) -> bytes | None:
        first, last = start // CHUNK_OCTETS, -(-(start + length) // CHUNK_OCTETS)
        skipped = first * CHUNK_OCTETS
        end = min(place.length, last * CHUNK_OCTETS)
        data = os.pread(self._file, end - skipped, place.position + skipped)
        if _checksums(data) != place.checksums[first:last] or len(data) != end - skipped:
            self._drop(key)
            return None
        return data if len(data) == length else data[start - skipped : start - skipped + length]

    def put(self, key: Key, data: bytes) -> None:
        """Keep it, if it is not larger than an eighth of the whole. A disk that is full keeps nothing."""
        if not data or len(data) > self._capacity // 8 or key in self._places or self._around(key):
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
        self._places[key] = _Place(self._position, len(data), _checksums(data))
        if key[2] == len(data):
            insort(self._ranges.setdefault(key[0], []), key[1:])
        self._position = end

    def _forget(self, end: int) -> None:
        """What lies between the position and `end`, and the oldest where there are too many."""
        while self._places:
            oldest = next(iter(self._places))
            place = self._places[oldest]
            is_in_the_way = self._position <= place.position < end
            if not is_in_the_way and len(self._places) < self._most_entries:
                return
            self._drop(oldest)

    def _drop(self, key: Key) -> None:
        del self._places[key]
        ranges = self._ranges.get(key[0], [])
        index = bisect_left(ranges, key[1:])
        if index < len(ranges) and ranges[index] == key[1:]:
            del ranges[index]
            if not ranges:
                del self._ranges[key[0]]


def _checksums(data: bytes) -> tuple[int, ...]:
    if len(data) <= CHUNK_OCTETS:
        return (crc32(data),)
    view = memoryview(data)
    return tuple(crc32(view[start : start + CHUNK_OCTETS]) for start in range(0, len(data), CHUNK_OCTETS))
