"""Short bodies that are appended: in the database with their messages, then in the object storage, always readable."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from blobstore import BlobStore, BlobUnavailable, BodyReference
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import (
    BodyCorrupt,
    Columns,
    MailStore,
    NewMessage,
    Side,
    StoredMessage,
    StoreUnavailable,
    staging,
)
from mailstore.staging import LONGEST_OCTETS, PREFIX, forget, pack
from pgkit import transaction

from tests.support.engines import Engines


class Away(BlobStore):
    """A bucket that is away."""

    def __init__(self) -> None:
        return

    async def put(self, key: str, chunks: object) -> None:
        raise BlobUnavailable("away")


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    while await opened.pack():
        pass
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


async def append(store: MailStore, account: AccountRef, *contents: bytes) -> int:
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    bodies = await store.put_bodies(account, contents)
    new = [
        NewMessage(body, b"", examine(content), datetime.now(UTC), Flags())
        for body, content in zip(bodies, contents, strict=True)
    ]
    await store.append(account, found.mailbox_id, new)
    return found.mailbox_id


async def stored(store: MailStore, account: AccountRef, mailbox_id: int) -> list[StoredMessage]:
    pieces = [p async for p in store.fetch(account, mailbox_id, range(1, 50), Columns.BODY)]
    return [message for piece in pieces for message in piece]


def place(message: StoredMessage) -> BodyReference:
    assert message.reference is not None
    return message.reference


async def bodies_of(store: MailStore, messages: list[StoredMessage]) -> list[bytes]:
    one_by_one = [await store.read(message, 0, message.size_octets) for message in messages]
    assert await store.read_whole(messages) == one_by_one
    return one_by_one


CONTENTS = (b"Subject: one\r\n\r\n1\r\n", b"Subject: two\r\n\r\n" + b"2" * 5000 + b"\r\n", b"\r\n")


async def test_what_waits_is_read_and_is_moved_in_one_object(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await append(store, account, *CONTENTS)
    before = await stored(store, account, mailbox_id)
    assert all(place(message).object_key.startswith(PREFIX) for message in before)
    assert await bodies_of(store, before) == list(CONTENTS)
    assert await store.read(before[1], 9, 3) == b"two"
    assert await store.pack() == 3
    after = await stored(store, account, mailbox_id)
    [key] = {place(message).object_key for message in after}
    assert not key.startswith(PREFIX)
    assert await bodies_of(store, after) == list(CONTENTS)
    # Who had read where it was finds it all the same.
    assert await bodies_of(store, before) == list(CONTENTS)
    assert await store.read(before[1], 9, 3) == b"two"
    assert await store.pack() == 0


async def test_long_ones_do_not_wait(store: MailStore, account: AccountRef) -> None:
    long = b"\r\n" + b"x" * LONGEST_OCTETS
    mailbox_id = await append(store, account, b"short", long)
    messages = await stored(store, account, mailbox_id)
    assert not any(place(message).object_key.startswith(PREFIX) for message in messages)
    assert await bodies_of(store, messages) == [b"short", long]


async def test_that_can_be_turned_off(engines: Engines, account: AccountRef) -> None:
    store = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None, staged_octets=0
    )
    try:
        mailbox_id = await append(store, account, *CONTENTS)
        [key] = {place(message).object_key for message in await stored(store, account, mailbox_id)}
        assert not key.startswith(PREFIX)
    finally:
        await store.close()


async def test_while_the_bucket_is_away_they_wait_and_can_be_read(
    store: MailStore, account: AccountRef
) -> None:
    mailbox_id = await append(store, account, *CONTENTS)
    with pytest.raises(StoreUnavailable):
        await pack(store._pool, Away())
    assert await bodies_of(store, await stored(store, account, mailbox_id)) == list(CONTENTS)
    assert await store.pack() == 3


async def test_two_that_pack_at_once_do_no_harm(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await append(store, account, *CONTENTS)

    class Slow(BlobStore):
        """Another packs everything while this one puts its object."""

        async def put(self, key: str, chunks: Sequence[bytes]) -> None:
            await super().put(key, chunks)
            assert await store.pack() == 3

    slow = Slow(store._blobs._store)
    assert await pack(store._pool, slow) == 0
    assert await bodies_of(store, await stored(store, account, mailbox_id)) == list(CONTENTS)


async def test_what_is_expunged_before_it_is_moved_leaves_an_object_to_be_swept(
    store: MailStore, account: AccountRef, engines: Engines
) -> None:
    mailbox_id = await append(store, account, *CONTENTS)
    await store.store_flags(account, mailbox_id, [2], FlagChange(FlagAction.ADD, Flags(SystemFlag.DELETED)))
    await store.expunge(account, mailbox_id)
    assert await store.pack() == 3
    left = await stored(store, account, mailbox_id)
    assert await bodies_of(store, left) == [CONTENTS[0], CONTENTS[2]]
    orphans = await _ask(engines, "SELECT object_key FROM orphan_object WHERE tenant_id = $1", account)
    assert place(left[0]).object_key in {row["object_key"] for row in orphans}


async def _ask(engines: Engines, statement: str, account: AccountRef) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(engines.dsn("store", "owner"))
    try:
        await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
        return list(await connection.fetch(statement, UUID(account.tenant_id)))
    finally:
        await connection.close()


async def test_where_it_was_is_forgotten_when_nothing_refers_to_it(
    store: MailStore, account: AccountRef, engines: Engines
) -> None:
    mailbox_id = await append(store, account, *CONTENTS)
    [first, *_] = before = await stored(store, account, mailbox_id)
    await store.pack()
    # A copy that was made in another account just before.
    key = place(first).object_key
    back = f"UPDATE message SET object_key = '{key}', body_offset = 0 WHERE tenant_id = $1 AND size_is_first"
    back = back.replace("size_is_first", f"digest = '\\x{place(first).digest.hex()}'")
    await _ask(engines, back, account)
    assert place((await stored(store, account, mailbox_id))[0]).object_key == key
    assert await forget(store._pool) == 0
    while await forget(store._pool, timedelta(0)):
        pass
    after = await stored(store, account, mailbox_id)
    assert not any(place(message).object_key.startswith(PREFIX) for message in after)
    assert await bodies_of(store, after) == list(CONTENTS)
    with pytest.raises(BodyCorrupt):
        await store.read(before[1], 0, 10)


async def test_another_tenant_cannot_read_what_waits(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await append(store, account, *CONTENTS)
    [message, *_] = await stored(store, account, mailbox_id)
    reference = place(message)
    foreign = reference.object_key.replace(account.tenant_id, str(uuid4()))
    with pytest.raises(BodyCorrupt):
        await store.read(replace(message, reference=replace(reference, object_key=foreign)), 0, 10)


@pytest.mark.parametrize("packs", [0, 1])
async def test_a_copy_of_what_waits_outlives_the_account_that_it_was_appended_to(
    store: MailStore, account: AccountRef, packs: int
) -> None:
    reader, third = (AccountRef(account.tenant_id, str(uuid4())) for _ in range(2))
    mailbox_id = await append(store, account, *CONTENTS)
    for each in (reader, third):
        found = await store.get_mailbox(each, "INBOX")
        assert found is not None
        await store.copy_between(Side(account, mailbox_id), [1, 2, 3], Side(each, found.mailbox_id))
        kept = found.mailbox_id
        if each is reader:
            readers = kept
    before = await stored(store, third, kept)
    for _ in range(packs):
        while await store.pack():
            pass
        # As one that was being copied while it was packed.
        async with transaction(store._pool, account.tenant_id) as connection:
            for message in before:
                await connection.execute(
                    "UPDATE message SET object_key = $1, body_offset = 0 WHERE account_id = $2 AND message_id = $3",
                    place(message).object_key,
                    UUID(third.account_id),
                    UUID(message.message_id),
                )
    assert await store.remove_account(account) == 3
    assert await bodies_of(store, await stored(store, third, kept)) == list(CONTENTS)
    while await store.pack():
        pass
    assert await bodies_of(store, await stored(store, reader, readers)) == list(CONTENTS)
    assert await bodies_of(store, await stored(store, third, kept)) == list(CONTENTS)


async def test_upkeep_leaves_nothing_that_is_old_for_the_next_time(
    store: MailStore, account: AccountRef, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(store, account, *CONTENTS)
    while await store.pack():
        pass
    old = "UPDATE staged_body SET changed_at = now() - interval '8 days' WHERE tenant_id = $1 RETURNING 1"
    assert len(await _ask(engines, old, account)) == 3
    monkeypatch.setattr(staging, "PACK_ROWS", 1)
    await store.prune()
    assert await _ask(engines, "SELECT FROM staged_body WHERE tenant_id = $1", account) == []
