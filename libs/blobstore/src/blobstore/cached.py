"""A bucket whose octets are read once: what was read or put lately lies on this machine's disk.

Objects are never changed once they are put, so nothing here can be out of date. An object that was deleted may be read
for a while; nobody has a reference to it any more.
"""

from collections.abc import Sequence

from blobstore.ring import RingCache
from blobstore.store import BlobStore


class CachedBlobStore(BlobStore):
    """Reads the bucket of `below` through a cache."""

    def __init__(self, below: BlobStore, cache: RingCache) -> None:
        super().__init__(below._store)
        self._cache = cache

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        """As of the bucket. A part of what was read before is not asked for again."""
        place = (key, offset, length)
        data = self._cache.get(place)
        if data is not None:
            return data
        data = await super().get_range(key, offset, length)
        self._cache.put(place, data)
        return data

    async def put(self, key: str, chunks: Sequence[bytes]) -> None:
        """As of the bucket. What is one body is soon read by who put it there."""
        await super().put(key, chunks)
        if len(chunks) == 1:
            self._cache.put((key, 0, len(chunks[0])), chunks[0])
