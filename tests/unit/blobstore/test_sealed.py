"""A bucket with encryption in it: plaintext above, nothing readable below."""

import io
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from blobstore import (
    BlobAltered,
    BlobMissing,
    BlobShredded,
    BlobStore,
    CachedBlobStore,
    KeysUnavailable,
    Piece,
    RingCache,
    SealedBlobStore,
)
from blobstore.cipher import CHUNK_OCTETS
from obstore.store import MemoryStore

from tests.support.drawer import BLUE, PLAIN, RED, Drawer

AT = datetime(2026, 11, 21, tzinfo=UTC)
MARK = b"a marked sentence that nobody else is to read. "


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def bucket() -> BlobStore:
    return BlobStore(cast(Any, MemoryStore()))


@pytest.fixture
def store(bucket: BlobStore, drawer: Drawer) -> SealedBlobStore:
    return SealedBlobStore(bucket, drawer)


async def everything(bucket: BlobStore) -> bytes:
    return b"".join([await bucket.get(item.key) async for item in bucket.list("")])


@pytest.mark.parametrize("times", [1, 1_000, 20_000])
async def test_ranges_are_those_of_the_plaintext(
    store: SealedBlobStore, bucket: BlobStore, times: int
) -> None:
    chunks = [b"head", MARK * times, b"tail"]
    whole = b"".join(chunks)
    name = await store.put_mail(RED, "01J", AT, chunks)
    assert await store.get(name) == whole
    for offset, length in ((0, 4), (4, len(MARK)), (0, len(whole)), (len(whole) - 4, 4), (3, 0)):
        assert await store.get_range(name, offset, length) == whole[offset : offset + length]
    assert MARK[:12] not in await everything(bucket)


async def test_a_file_is_sealed_on_its_way(store: SealedBlobStore, bucket: BlobStore) -> None:
    content = MARK * 60_000
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    name = await store.put_mail_file(RED, "long", AT, file, len(content))
    assert await store.get(name) == content
    assert await store.get_range(name, 1_000_000, 99) == content[1_000_000:1_000_099]
    assert MARK[:12] not in await everything(bucket)


async def test_who_does_not_want_it_has_it_as_ever(store: SealedBlobStore, bucket: BlobStore) -> None:
    name = await store.put_mail(PLAIN, "01J", AT, [b"plain"])
    assert name == "mail/plain/20261121/01J"
    assert await bucket.get(name) == b"plain"
    assert await store.get_range(name, 1, 3) == b"lai"
    assert await store.put_mail_file(PLAIN, "f", AT, io.BytesIO(b"file"), 4) == "mail/plain/20261121/f"


async def test_what_came_before_the_choice_is_read_as_ever(store: SealedBlobStore, bucket: BlobStore) -> None:
    await bucket.put("mail/red/20261120/01A", [b"old"])
    assert await store.get("mail/red/20261120/01A") == b"old"


async def test_an_older_key_opens_what_it_sealed(store: SealedBlobStore, drawer: Drawer) -> None:
    old = await store.put_mail(RED, "01J", AT, [MARK])
    drawer.add(RED, 2, b"R" * 32)
    new = await store.put_mail(RED, "01K", AT, [MARK])
    assert ".k1." in old
    assert ".k2." in new
    assert await store.get(old) == await store.get(new) == MARK


async def test_a_deleted_key_leaves_nothing(store: SealedBlobStore, drawer: Drawer) -> None:
    name = await store.put_mail(RED, "01J", AT, [MARK])
    piece = await store.seal_piece(RED, "staged/red/1", MARK)
    del drawer.kept[RED]
    with pytest.raises(BlobShredded):
        await store.get(name)
    with pytest.raises(BlobShredded):
        await store.get_range(name, 0, 4)
    with pytest.raises(BlobShredded):
        await store.open_piece(RED, "staged/red/1", piece)


async def test_without_knowing_nothing_is_stored(
    store: SealedBlobStore, bucket: BlobStore, drawer: Drawer
) -> None:
    drawer.away = True
    for tenant in (RED, PLAIN):
        with pytest.raises(KeysUnavailable):
            await store.put_mail(tenant, "01J", AT, [MARK])
        with pytest.raises(KeysUnavailable):
            await store.put_mail_file(tenant, "01J", AT, io.BytesIO(MARK), len(MARK))
        with pytest.raises(KeysUnavailable):
            await store.seal_piece(tenant, "staged/red/1", MARK)
    assert await everything(bucket) == b""


async def test_another_tenants_object_does_not_open_as_mine(
    store: SealedBlobStore, bucket: BlobStore, drawer: Drawer
) -> None:
    name = await store.put_mail(RED, "01J", AT, [MARK])
    mine = name.replace("/red/", "/blue/")
    await bucket.put(mine, [await bucket.get(name)])
    with pytest.raises(BlobAltered):
        await store.get(mine)
    # Also not where both had the same key by mistake.
    drawer.kept[BLUE] = drawer.kept[RED]
    with pytest.raises(BlobAltered):
        await store.get(mine)


async def test_alterations_and_cuts_are_noticed(store: SealedBlobStore, bucket: BlobStore) -> None:
    name = await store.put_mail(RED, "01J", AT, [MARK * 1_000])
    sealed = await bucket.get(name)
    await bucket.put(name, [sealed[:20_000], bytes([sealed[20_000] ^ 0x80]), sealed[20_001:]])
    assert await store.get_range(name, 0, 100) == (MARK * 1_000)[:100]
    with pytest.raises(BlobAltered):
        await store.get_range(name, 17_000, 100)
    with pytest.raises(BlobAltered):
        await store.get(name)
    await bucket.put(name, [sealed[:-1]])
    with pytest.raises(BlobAltered):
        await store.get(name)
    with pytest.raises(BlobAltered):
        await store.get_range(name, len(MARK) * 1_000 - 1, 2)


async def test_what_was_added_behind_is_noticed_by_who_reads_all(
    store: SealedBlobStore, bucket: BlobStore
) -> None:
    name = await store.put_mail(RED, "01A", AT, [b"x" * CHUNK_OCTETS])
    await bucket.put(name, [await bucket.get(name), b"\0" * 16])
    with pytest.raises(BlobAltered):
        await store.get(name)


async def test_what_is_not_there_is_missing(store: SealedBlobStore) -> None:
    name = await store.put_mail(RED, "01J", AT, [MARK])
    await store.delete(name)
    with pytest.raises(BlobMissing):
        await store.get(name)


async def test_a_cache_below_holds_nothing_readable(bucket: BlobStore, drawer: Drawer) -> None:
    cache = RingCache("", 1 << 20)
    store = SealedBlobStore(CachedBlobStore(bucket, cache), drawer)
    name = await store.put_mail(RED, "01J", AT, [MARK * 100])
    assert await store.get_range(name, 0, len(MARK)) == MARK
    await bucket.delete(name)
    assert await store.get_range(name, len(MARK), len(MARK)) == MARK
    assert all(MARK[:12] not in (cache.get(key) or b"") for key in list(cache._places))


async def test_pieces_rest_elsewhere(store: SealedBlobStore, bucket: BlobStore) -> None:
    sealed = await store.seal_piece(RED, "staged/red/1", MARK)
    assert sealed.key_version == 1
    assert MARK[:12] not in sealed.content
    assert await store.open_piece(RED, "staged/red/1", sealed) == MARK
    with pytest.raises(BlobAltered):
        await store.open_piece(BLUE, "staged/red/1", sealed)
    assert await store.seal_piece(PLAIN, "staged/plain/1", MARK) == Piece(MARK)
    # Who has no keys does not take it for a message.
    with pytest.raises(BlobAltered):
        await bucket.open_piece(RED, "staged/red/1", sealed)
