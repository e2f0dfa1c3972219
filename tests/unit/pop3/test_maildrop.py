"""The adapter over the mail store: chunks, the digest of what was read, unique-ids, the lost lock."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import cast
from uuid import UUID

import pytest
from blobstore import BlobUnavailable, BodyReference
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef, Entry, FlagAction, FlagChange, Flags, MailboxInfo, SystemFlag
from mailproto.pop3.maildrop import DropMessage, Maildrop
from mailstore import BodyPlace, MailStore, Prepared
from pop3.adapters import maildrop as maildrop_module
from pop3.adapters.maildrop import StoreMaildrop, StoreMaildrops
from pop3.adapters.maildrop_lock import MaildropLock, MaildropLocks
from pop3.adapters.read_ahead import BATCH_OCTETS, FIRST_BATCH_OCTETS
from pop3.ports import MessageGone, Unavailable

PREFIX = b"Return-Path: <a@b.c>\r\n"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
INBOX = MailboxInfo(1, "INBOX", 7, 1, 1, 3, 0, 0, frozenset(), subscribed=False)
CONTENT = bytes(range(1, 256)) * 40


class Store:
    """Holds one message, and can be made to give other octets."""

    def __init__(self) -> None:
        self.octets = PREFIX + CONTENT
        self.rows_read: list[list[int]] = []
        self.read_alone: list[int] = []
        self.read_together: list[list[int]] = []
        self.gone: set[int] = set()
        self.failure: Exception | None = None
        self.removed: list[list[int]] = []
        self.seen: list[list[int]] = []
        self.looked_before: list[datetime] = []

    async def body_places(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> list[BodyPlace]:
        self.rows_read.append(list(uids))
        reference = BodyReference("key", 0, len(CONTENT), hashlib.sha256(CONTENT).digest())
        return [
            BodyPlace(uid, len(PREFIX) + len(CONTENT), UUID(int=uid), PREFIX, reference)
            for uid in uids
            if uid not in self.gone
        ]

    async def read(self, message: BodyPlace, offset: int, length: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        self.read_alone.append(message.uid)
        return self.octets[offset : offset + length]

    async def read_whole(self, messages: Sequence[BodyPlace]) -> list[bytes]:
        if self.failure is not None:
            raise self.failure
        self.read_together.append([message.uid for message in messages])
        return [self.octets for _ in messages]

    async def remove(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> list[int]:
        self.removed.append(list(uids))
        return list(uids)

    async def store_flags(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
    ) -> list[Entry]:
        assert change == FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
        self.seen.append(list(uids))
        return []

    async def seen_before(self, account: AccountRef, mailbox_id: int, saved_before: datetime) -> list[int]:
        self.looked_before.append(saved_before)
        return [10, 20, 990]


class Lock:
    held = True

    async def release(self) -> None:
        self.held = False


def maildrop(
    store: Store,
    lock: Lock | None = None,
    *,
    messages: int = 3,
    prepared: Prepared | None = None,
    keep_days: int = 0,
) -> StoreMaildrop:
    uids = [10 * number for number in range(1, messages + 1)]
    sizes = [len(PREFIX) + len(CONTENT)] * messages
    return StoreMaildrop(
        cast(MailStore, store),
        AccountRef("t", "a"),
        INBOX,
        uids,
        sizes,
        cast(MaildropLock, lock or Lock()),
        prepared or Prepared(),
        keep_days,
        lambda: NOW,
    )


async def chunks(
    drop: StoreMaildrop, number: int, first_chunk_octets: int, given: list[bytes] | None = None
) -> list[bytes]:
    given = [] if given is None else given
    if (whole := drop.at_hand(number)) is not None:
        return [whole]
    async for chunk in drop.read(number, first_chunk_octets):
        given.append(chunk)
    return given


@pytest.mark.parametrize("first", [1, 10, len(PREFIX), len(PREFIX) + 1, 4096, 1 << 20])
async def test_the_chunks_make_the_message(first: int) -> None:
    assert b"".join(await chunks(maildrop(Store()), 2, first)) == PREFIX + CONTENT


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildrop_module, "_CHUNK_OCTETS", 1000)


@pytest.mark.usefixtures("small_chunks")
async def test_the_next_chunk_is_read_while_one_is_sent_and_no_other() -> None:
    store = Store()
    async with aclosing(maildrop(store, messages=1).read(1, 100)) as chunks:
        seen = bytearray()
        reads = []
        async for chunk in chunks:
            await asyncio.sleep(0)
            seen += chunk
            reads.append(len(store.read_alone))
    assert seen == store.octets
    # Not before a second chunk was wanted; then one ahead, to the end.
    assert reads == [1, *range(3, len(reads) + 1), len(reads)]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("wanted", [1, 2, 3])
async def test_who_has_enough_leaves_no_read_behind(wanted: int) -> None:
    store = Store()
    before = asyncio.all_tasks()
    async with aclosing(maildrop(store, messages=1).read(1, 100)) as chunks:
        for _ in range(wanted):
            await anext(chunks)
    assert asyncio.all_tasks() == before
    assert len(store.read_alone) <= wanted


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("position", [len(PREFIX), len(PREFIX) + 5000, -1])
async def test_a_flipped_octet_is_never_given_as_whole(position: int) -> None:
    store = Store()
    altered = bytearray(store.octets)
    altered[position] ^= 1
    store.octets = bytes(altered)
    given: list[bytes] = []
    with pytest.raises(Unavailable, match="not those that came in"):
        await chunks(maildrop(store), 1, 100, given)
    assert sum(map(len, given)) < len(store.octets)


async def test_a_body_that_is_too_short_is_told() -> None:
    store = Store()
    store.octets = store.octets[:-50]
    with pytest.raises(Unavailable):
        await chunks(maildrop(store), 1, 100)


async def test_stores_that_are_away_are_told() -> None:
    store = Store()
    store.failure = BlobUnavailable("away")
    with pytest.raises(Unavailable, match="away"):
        await chunks(maildrop(store), 1, 1 << 20)


async def test_rows_are_read_ahead_once() -> None:
    store = Store()
    drop = maildrop(store)
    for number in (1, 3, 2):
        await chunks(drop, number, 1 << 20)
    assert store.rows_read == [[10, 20, 30]]


async def test_a_message_that_was_removed_elsewhere() -> None:
    store = Store()
    store.gone = {20}
    with pytest.raises(MessageGone):
        await chunks(maildrop(store), 2, 100)


async def test_without_the_lock_nothing_is_removed() -> None:
    lost = Lock()
    lost.held = False
    with pytest.raises(Unavailable, match="lock"):
        await maildrop(Store(), lost).remove([1], [])
    assert await maildrop(Store(), lost).remove([], []) == 0
    assert await maildrop(Store()).remove([1, 3], []) == 2


async def test_messages_taken_in_order_are_read_ahead_together() -> None:
    store = Store()
    drop = maildrop(store, messages=150)
    for number in range(1, 151):
        assert await chunks(drop, number, 1 << 20) == [store.octets]
        await asyncio.sleep(0)
    assert store.read_alone == [10]
    size = len(store.octets)
    batches = [len(batch) for batch in store.read_together]
    # The longer it goes on the more are read at a time.
    assert batches[:3] == [
        FIRST_BATCH_OCTETS // size,
        2 * FIRST_BATCH_OCTETS // size,
        4 * FIRST_BATCH_OCTETS // size,
    ]
    assert max(batches) == BATCH_OCTETS // size
    assert [uid for batch in store.read_together for uid in batch] == [10 * n for n in range(2, 151)]
    # Every row once: the first by itself with some that follow it.
    assert len(store.rows_read) <= 1 + len(batches)


async def test_the_same_message_again_does_not_lose_what_was_read_ahead() -> None:
    store = Store()
    drop = maildrop(store, messages=12)
    for number in range(1, 13):
        for _ in ("TOP", "RETR"):
            assert await chunks(drop, number, 1 << 20) == [store.octets]
            await asyncio.sleep(0)
    assert [uid for batch in store.read_together for uid in batch] == [10 * n for n in range(2, 13)]


async def test_nothing_is_waited_for_in_at_hand() -> None:
    store = Store()
    drop = maildrop(store, messages=4)
    assert drop.at_hand(1) is None
    await chunks(drop, 1, 1 << 20)
    await asyncio.sleep(0)
    assert drop.at_hand(3) == store.octets
    assert drop.at_hand(3) is None
    assert drop.at_hand(2) == store.octets
    assert drop.at_hand(5) is None


async def test_messages_taken_in_another_order_are_not() -> None:
    store = Store()
    drop = maildrop(store, messages=9)
    for number in (9, 7, 5, 3):
        await chunks(drop, number, 1 << 20)
    assert store.read_together == []
    assert store.read_alone == [90, 70, 50, 30]


async def test_what_is_read_ahead_has_its_room_and_gives_it_back() -> None:
    store = Store()
    prepared = Prepared(3 * len(store.octets))
    drop = maildrop(store, messages=20, prepared=prepared)
    for number in range(1, 21):
        assert await chunks(drop, number, 1 << 20) == [store.octets]
        assert prepared.left_octets >= 0
    drop = maildrop(store, messages=4, prepared=prepared)
    await chunks(drop, 1, 1 << 20)
    await asyncio.sleep(0)
    assert prepared.left_octets == 0
    await drop.close()
    assert prepared.left_octets == 3 * len(store.octets)


async def test_a_session_that_went_silent_makes_room_for_one_that_works() -> None:
    store = Store()
    prepared = Prepared(6 * len(store.octets))
    silent, working = (maildrop(store, messages=6, prepared=prepared) for _ in range(2))
    for drop in (silent, working):
        await chunks(drop, 1, 1 << 20)
        await asyncio.sleep(0)
    assert [working.at_hand(number) for number in range(2, 7)] == [store.octets] * 5
    # It has to read again, and gets the same.
    assert silent.at_hand(2) is None
    assert await chunks(silent, 2, 1 << 20) == [store.octets]
    await silent.close()
    await working.close()
    assert prepared.left_octets == 6 * len(store.octets)


async def test_who_leaves_while_messages_are_read_leaves_nothing_behind() -> None:
    store = Store()
    prepared = Prepared()
    before = prepared.left_octets
    for steps in range(4):
        drop = maildrop(store, messages=6, prepared=prepared)
        await chunks(drop, 1, 1 << 20)
        for _ in range(steps):
            await asyncio.sleep(0)
        await drop.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert prepared.left_octets == before


async def test_a_failure_ahead_is_told_where_it_belongs() -> None:
    store = Store()
    drop = maildrop(store)
    store.gone = {20}
    await chunks(drop, 1, 1 << 20)
    with pytest.raises(MessageGone):
        await chunks(drop, 2, 1 << 20)
    assert await chunks(drop, 3, 1 << 20) == [store.octets]
    store = Store()
    drop = maildrop(store)
    await chunks(drop, 1, 1 << 20)
    store.failure = BlobUnavailable("away")
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await chunks(drop, 2, 1 << 20)
    store.failure = None
    assert await chunks(drop, 2, 1 << 20) == [store.octets]


def test_a_large_maildrop_keeps_numbers_and_makes_ids_when_asked() -> None:
    asked: list[int] = []

    def unique_id_of(number: int) -> bytes:
        asked.append(number)
        return b"7.%d" % number

    drop = Maildrop(range(100_000), unique_id_of)
    assert (drop.count(), drop.size_octets()) == (100_000, 99_999 * 50_000)
    drop.delete(3)
    assert (drop.count(), drop.size_octets()) == (99_999, 99_999 * 50_000 - 2)
    assert asked == []
    assert drop.get(2) == DropMessage(1, b"7.2")
    assert drop.get(3) is None
    assert list(islice(drop.scan_listing(), 3)) == [b"1 0\r\n", b"2 1\r\n", b"4 3\r\n"]
    assert list(islice(drop.unique_id_listing(), 3)) == [b"1 7.1\r\n", b"2 7.2\r\n", b"4 7.4\r\n"]


class Inbox:
    """Knows what is in it, and nothing of any message: to be asked for more is an error."""

    prepared = Prepared()

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self.asked: list[str] = []

    async def get_mailbox(self, account: AccountRef, name: str) -> MailboxInfo:
        self.asked.append(name)
        return replace(INBOX, messages=self._messages)

    async def sizes(self, account: AccountRef, mailbox_id: int) -> tuple[range, range]:
        self.asked.append("sizes")
        return range(1, self._messages + 1), range(self._messages)


class FreeLocks:
    async def acquire(self, account: AccountRef) -> Lock:
        return Lock()


async def test_opening_asks_twice_whatever_is_in_it_and_for_no_message() -> None:
    async def settings_of(_account_id: str) -> AccountSettings:
        return AccountSettings()

    for messages in (1, 100_000):
        inbox = Inbox(messages)
        drops = StoreMaildrops(cast(MailStore, inbox), cast(MaildropLocks, FreeLocks()), settings_of)
        drop = await drops.open(AccountRef("t", "a"))
        assert drop is not None
        assert drop.contents.count() == messages
        assert sum(1 for _ in drop.contents.unique_id_listing()) == messages
        assert inbox.asked == ["INBOX", "sizes"]


async def test_what_was_retrieved_is_seen_and_nothing_else_is_touched() -> None:
    store = Store()
    assert await maildrop(store).remove([2], [1, 2]) == 1
    assert (store.seen, store.removed, store.looked_before) == ([[10]], [[20]], [])
    assert await maildrop(store).remove([], []) == 0
    assert len(store.seen) == len(store.removed) == 1


async def test_an_account_may_have_what_it_read_removed_after_some_days() -> None:
    store = Store()
    drop = maildrop(store, keep_days=7)
    assert drop.contents.keep_days == 7
    # 990 came after the login.
    assert await drop.remove([3], []) == 3
    assert store.removed == [[10, 20, 30]]
    assert store.looked_before == [NOW - timedelta(days=7)]
