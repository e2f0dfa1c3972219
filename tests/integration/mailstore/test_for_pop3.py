"""What POP3 asks of the mail store: the sizes of a whole mailbox, and several messages at once."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from blobstore import BlobStore, BodyReference
from mailmodel import AccountRef, Flags
from mailmsg.facts import examine
from mailstore import BodyCorrupt, Columns, MailStore, NewMessage, StoredMessage, StoreUnavailable, bodies

from tests.support.engines import Engines

CONTENTS = [b"Subject: %d\r\n\r\nbody of number %d\r\n" % (number, number) for number in range(6)]


class Counted:
    """The bucket, with its requests counted."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.requests: list[tuple[str, int, int]] = []

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.requests.append((key, offset, length))
        return await self._blobs.get_range(key, offset, length)


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


async def inbox(store: MailStore, account: AccountRef) -> int:
    await store.provision(account)
    info = await store.get_mailbox(account, "INBOX")
    assert info is not None
    return info.mailbox_id


async def packed(
    store: MailStore, account: AccountRef, key: str, contents: Sequence[bytes], gap: int
) -> list[int]:
    """File messages whose bodies lie in one object, `gap` octets between them."""
    mailbox_id = await inbox(store, account)
    filed, offset = [], 0
    for content in contents:
        reference = BodyReference(key, offset, len(content), hashlib.sha256(content).digest())
        filed.append(NewMessage(reference, b"X: y\r\n", examine(content), datetime.now(UTC), Flags()))
        offset += len(content) + gap
    return await store.append(account, mailbox_id, filed)


async def stored(store: MailStore, account: AccountRef, uids: Sequence[int]) -> list[StoredMessage]:
    mailbox_id = await inbox(store, account)
    return [each async for part in store.fetch(account, mailbox_id, uids, Columns.BODY) for each in part]


async def test_sizes_are_those_of_the_messages_in_uid_order(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account)
    assert await store.sizes(account, mailbox_id) == ([], [])
    uids = await packed(store, account, f"mail/none/{uuid4()}", CONTENTS, 0)
    await store.remove(account, mailbox_id, [uids[2]])
    left = [number for number in range(6) if number != 2]
    assert await store.sizes(account, mailbox_id) == (
        [uids[number] for number in left],
        [len(b"X: y\r\n" + CONTENTS[number]) for number in left],
    )
    stranger = AccountRef(str(uuid4()), account.account_id)
    assert await store.sizes(stranger, mailbox_id) == ([], [])


async def test_places_of_bodies_say_the_same_as_whole_rows(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account)
    uids = await packed(store, account, f"mail/none/{uuid4()}", CONTENTS, 0)
    await store.remove(account, mailbox_id, [uids[2]])
    places = await store.body_places(account, mailbox_id, uids)
    rows = await stored(store, account, uids)
    assert [each.uid for each in places] == [uid for uid in uids if uid != uids[2]]
    assert [
        (each.uid, each.size_octets, each.message_id.hex, each.prefix, each.reference) for each in places
    ] == [(each.uid, each.size_octets, each.message_id, each.prefix, each.reference) for each in rows]
    stranger = AccountRef(str(uuid4()), account.account_id)
    assert await store.body_places(stranger, mailbox_id, uids) == []
    assert await store.body_places(account, mailbox_id, []) == []


@pytest.mark.parametrize(("gap", "requests"), [(0, 1), (500, 1), (70_000, 6)])
async def test_neighbours_are_read_together(
    store: MailStore, account: AccountRef, engines: Engines, gap: int, requests: int
) -> None:
    key = f"mail/test/{uuid4()}"
    blobs = engines.seaweed.store()
    await blobs.put(key, [part for content in CONTENTS for part in (content, b"\0" * gap)])
    uids = await packed(store, account, key, CONTENTS, gap)
    messages = await stored(store, account, uids)
    expected = [b"X: y\r\n" + content for content in CONTENTS]
    assert await store.read_whole(messages) == expected
    counted = Counted(blobs)
    assert await bodies.read_whole(counted, messages) == expected  # type: ignore[arg-type]
    assert len(counted.requests) == requests
    # In any order, with others between them, and twice.
    other = await store.put_body(account, b"Subject: other\r\n\r\n")
    [uid] = await store.append(
        account,
        await inbox(store, account),
        [NewMessage(other, b"", examine(b""), datetime.now(UTC), Flags())],
    )
    [alone] = await stored(store, account, [uid])
    mixed = [messages[4], alone, messages[1], messages[1], messages[5]]
    assert await store.read_whole(mixed) == [
        *(expected[4], b"Subject: other\r\n\r\n", expected[1], expected[1], expected[5])
    ]
    assert await store.read_whole([]) == []


async def test_one_that_was_altered_or_is_gone_is_told(
    store: MailStore, account: AccountRef, engines: Engines
) -> None:
    key = f"mail/test/{uuid4()}"
    blobs = engines.seaweed.store()
    await blobs.put(key, [CONTENTS[0], CONTENTS[1].replace(b"body", b"BODY")])
    uids = await packed(store, account, key, CONTENTS[:2], 0)
    messages = await stored(store, account, uids)
    assert await store.read_whole(messages[:1]) == [b"X: y\r\n" + CONTENTS[0]]
    with pytest.raises(BodyCorrupt, match="altered"):
        await store.read_whole(messages)
    await blobs.delete(key)
    with pytest.raises((BodyCorrupt, StoreUnavailable)):
        await store.read_whole(messages)


async def test_places_of_many_come_in_pieces(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account)
    uids: list[int] = []
    for _ in range(7):
        uids += await packed(store, account, f"mail/none/{uuid4()}", CONTENTS[:1] * 100, 0)
    await store.remove(account, mailbox_id, uids[10:20])
    left = uids[:10] + uids[20:]
    # From one end to the other, here and there, and with some that are not wanted between them.
    for wanted in (uids, uids[::7], uids[:300:2] + uids[300:]):
        pieces = [piece async for piece in store.fetch_places(account, mailbox_id, list(reversed(wanted)))]
        assert [place.uid for piece in pieces for place in piece] == [u for u in wanted if u in left]
    assert [len(piece) for piece in [p async for p in store.fetch_places(account, mailbox_id, uids)]] == [
        *(90, 500, 100)
    ]
    assert [piece async for piece in store.fetch_places(account, mailbox_id, [])] == []
