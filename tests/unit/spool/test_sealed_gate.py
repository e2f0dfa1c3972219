"""The gate where tenants encrypt: what is put is sealed, what is put back is found, and without keys nothing is accepted."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from blobstore import BlobShredded, BlobStore, DataKey, KeyUnknown, SealedBlobStore
from obstore.store import MemoryStore
from spool import (
    Letter,
    NoSuchTenant,
    Recipient,
    Recovery,
    Source,
    Span,
    Spool,
    SpoolUnavailable,
    decode,
    new_queue_id,
    read_records,
)
from spool.pack import unpack

from tests.support.drawer import BLUE, PLAIN, RED, Drawer

BODY = b"Subject: hi\r\n\r\na marked sentence that nobody else is to read\r\n"
MARK = b"marked sentence"
NOW = datetime.now(UTC)


class Bus:
    connected = True

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    async def publish_mail(
        self, message_id: str, messages: Sequence[tuple[str, bytes]], seconds: float, holding: Any = ()
    ) -> None:
        self.published += messages

    async def waiting_ids(self) -> set[str]:
        return set()


class Setting:
    def __init__(self) -> None:
        self.drawer, self.bus = Drawer(), Bus()
        self.bucket = BlobStore(cast(Any, MemoryStore()))
        self.blobs = SealedBlobStore(self.bucket, self.drawer)
        self.spool = Spool(self.blobs, cast(Any, self.bus))

    async def accept(self, *tenants: str, content: bytes = BODY) -> str:
        queue_id = new_queue_id()
        await self.spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path="alice@a.test",
                recipients=tuple(
                    Recipient(f"bob@{tenant}.test", f"bob@{tenant}.test", tenant, f"bob-{tenant}")
                    for tenant in tenants
                ),
                content=content,
                trace_prefix=b"Received: here\r\n",
                source=Source.MX,
                arrived_at=NOW,
            )
        )
        return queue_id

    async def objects(self) -> dict[str, bytes]:
        return {item.key: await self.bucket.get(item.key) async for item in self.bucket.list("")}

    async def respool(self) -> Any:
        async def settled(queue_ids: Sequence[str]) -> set[tuple[str, str]]:
            return set()

        recovery = Recovery(self.blobs, cast(Any, self.bus), settled, publish=True)
        return await recovery.run(Span(NOW - timedelta(days=1), NOW + timedelta(days=1)), lambda _: None)


@pytest.fixture
def setting() -> Setting:
    return Setting()


@pytest.mark.parametrize("size", [1, 40_000, 20_000_000])
async def test_what_is_accepted_is_sealed_with_its_tenants_key(setting: Setting, size: int) -> None:
    content = BODY + b"x" * size
    await setting.accept(RED, BLUE, PLAIN, content=content)
    for _, payload in setting.bus.published:
        for told in map(decode, unpack(payload)):
            read = await setting.blobs.get_range(told.body.object_key, told.body.offset, told.body.length)
            assert told.body.matches(read)
            assert read == content
            # Who it is for stands before it, and is sealed with it.
            [record] = read_records(await setting.blobs.get(told.body.object_key))
            assert record.envelope == told.envelope
    for key, data in (await setting.objects()).items():
        is_plain = key.startswith(f"mail/{PLAIN}/")
        assert (MARK in data, b"alice@a.test" in data) == (is_plain, is_plain)


async def test_letters_that_come_together_share_a_sealed_object(setting: Setting) -> None:
    await asyncio.gather(*(setting.accept(RED, content=BODY + b"%d" % n) for n in range(30)))
    assert len(await setting.objects()) < 30
    letters = [each for _, payload in setting.bus.published for each in map(decode, unpack(payload))]
    assert len(letters) == 30
    for told in letters:
        body = told.body
        assert body.matches(await setting.blobs.get_range(body.object_key, body.offset, body.length))


async def test_without_keys_nothing_is_accepted_and_nothing_is_plain(setting: Setting) -> None:
    setting.drawer.missing.add(RED)
    with pytest.raises(SpoolUnavailable):
        await setting.accept(RED)
    with pytest.raises(SpoolUnavailable):
        await setting.accept(RED, content=BODY + b"x" * 1_000_000)
    assert setting.bus.published == []
    assert [key for key in await setting.objects() if not key.startswith("void/")] == []
    await setting.accept(BLUE)
    assert len(setting.bus.published) == 1


async def test_what_the_bus_lost_is_put_back_out_of_sealed_objects(setting: Setting) -> None:
    queue_ids = [await setting.accept(RED), await setting.accept(BLUE), await setting.accept(PLAIN)]
    setting.bus.published.clear()
    found = await setting.respool()
    assert (found.put_back, found.unreadable, found.altered) == (3, [], [])
    letters = [each for _, payload in setting.bus.published for each in map(decode, unpack(payload))]
    assert {each.envelope.queue_id for each in letters} == set(queue_ids)
    for each in letters:
        body = each.body
        assert body.matches(await setting.blobs.get_range(body.object_key, body.offset, body.length))


async def test_what_a_deleted_key_sealed_is_not_put_back_and_what_was_altered_is_named(
    setting: Setting,
) -> None:
    await setting.accept(RED)
    await setting.accept(BLUE)
    del setting.drawer.kept[RED]
    [altered] = [key for key in await setting.objects() if BLUE in key]
    data = bytearray(await setting.bucket.get(altered))
    data[30] ^= 1
    await setting.bucket.put(altered, [bytes(data)])
    await setting.bucket.put(f"mail/{PLAIN}/{NOW:%Y%m%d}/append-1", [BODY])
    found = await setting.respool()
    assert (found.put_back, found.unreadable) == (0, [altered])
    with pytest.raises(BlobShredded):
        await setting.blobs.get(next(key for key in await setting.objects() if RED in key))


async def test_that_a_tenant_is_gone_is_told_apart_from_keys_that_are_away(setting: Setting) -> None:
    setting.drawer.gone.add(RED)
    with pytest.raises(NoSuchTenant):
        await setting.accept(RED)
    setting.drawer.missing.add(BLUE)
    with pytest.raises(SpoolUnavailable) as refused:
        await setting.accept(BLUE)
    assert not isinstance(refused.value, NoSuchTenant)
    assert setting.bus.published == []


async def test_a_key_that_nobody_knows_keeps_the_mail_of_others_from_nothing(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The directory came back from an older backup than the storage.
    unknown, known = await setting.accept(RED), await setting.accept(BLUE)
    setting.bus.published.clear()
    of = setting.drawer.of

    async def of_a_backup(tenant_id: str, version: int) -> DataKey:
        if tenant_id == RED:
            raise KeyUnknown("the directory knows no such key")
        return await of(tenant_id, version)

    monkeypatch.setattr(setting.drawer, "of", of_a_backup)
    found = await setting.respool()
    assert found.put_back == 1
    assert [key.split("/")[1] for key in found.unreadable] == [RED], "whoever recovers is told"
    [letter] = [each for _, payload in setting.bus.published for each in map(decode, unpack(payload))]
    assert letter.envelope.queue_id == known != unknown
