"""A bucket behind a cache: the same octets, fewer questions."""

from pathlib import Path
from typing import Any, cast

import pytest
from blobstore import BlobMissing, BlobStore, CachedBlobStore, RingCache
from obstore.store import MemoryStore


@pytest.fixture
def stores(tmp_path: Path) -> tuple[BlobStore, BlobStore]:
    bucket = BlobStore(cast(Any, MemoryStore()))
    return bucket, CachedBlobStore(bucket, RingCache(str(tmp_path), 1 << 20))


async def test_a_range_is_asked_for_once(stores: tuple[BlobStore, BlobStore]) -> None:
    bucket, cached = stores
    await bucket.put("mail/a", [b"0123456789"])
    assert await cached.get_range("mail/a", 2, 3) == b"234"
    await bucket.delete("mail/a")
    assert await cached.get_range("mail/a", 2, 3) == b"234"
    with pytest.raises(BlobMissing):
        await cached.get_range("mail/a", 2, 4)


async def test_parts_of_what_was_read_are_not_asked_for_again(stores: tuple[BlobStore, BlobStore]) -> None:
    bucket, cached = stores
    await bucket.put("mail/a", [b"0123456789"])
    assert await cached.get_range("mail/a", 1, 8) == b"12345678"
    await bucket.delete("mail/a")
    assert await cached.get_range("mail/a", 1, 1) == b"1"
    assert await cached.get_range("mail/a", 4, 5) == b"45678"
    assert await cached.get_range("mail/a", 4, 0) == b""
    with pytest.raises(BlobMissing):
        await cached.get_range("mail/a", 0, 2)


async def test_what_was_put_is_read_from_here(stores: tuple[BlobStore, BlobStore]) -> None:
    bucket, cached = stores
    await cached.put("mail/b", [b"one body"])
    assert await bucket.get("mail/b") == b"one body"
    await bucket.delete("mail/b")
    assert await cached.get_range("mail/b", 0, 8) == b"one body"
