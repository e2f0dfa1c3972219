"""The adapter over the mail store: chunks, the digest of what was read, unique-ids, the lost lock."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest
from blobstore import BlobUnavailable, BodyReference
from mailmodel import AccountRef, Flags, SystemFlag
from mailproto.pop3.maildrop import DropMessage
from mailstore import Columns, MailStore, StoredMessage
from pop3.adapters.maildrop import StoreMaildrop
from pop3.adapters.maildrop_lock import MaildropLock
from pop3.ports import MessageGone, Unavailable

PREFIX = b"Return-Path: <a@b.c>\r\n"
CONTENT = bytes(range(1, 256)) * 40


class Store:
    """Holds one message, and can be made to give other octets."""

    def __init__(self) -> None:
        self.octets = PREFIX + CONTENT
        self.rows_read: list[list[int]] = []
        self.gone: set[int] = set()
        self.failure: Exception | None = None

    async def fetch(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        self.rows_read.append(list(uids))
        yield [
            StoredMessage(
                uid=uid,
                modseq=1,
                flags=Flags(SystemFlag(0), frozenset()),
                internal_date=datetime(2026, 11, 21, tzinfo=UTC),
                size_octets=len(PREFIX) + len(CONTENT),
                message_id="m",
                prefix=PREFIX,
                reference=BodyReference("key", 0, len(CONTENT), hashlib.sha256(CONTENT).digest()),
            )
            for uid in uids
            if uid not in self.gone
        ]

    async def read(self, message: StoredMessage, offset: int, length: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        return self.octets[offset : offset + length]

    async def remove(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> list[int]:
        return list(uids)


class Lock:
    held = True


def maildrop(store: Store, lock: Lock | None = None) -> StoreMaildrop:
    return StoreMaildrop(
        cast(MailStore, store),
        AccountRef("t", "a"),
        1,
        [10, 20, 30],
        [DropMessage(len(store.octets), b"1.%d" % uid) for uid in (10, 20, 30)],
        cast(MaildropLock, lock or Lock()),
    )


async def chunks(
    drop: StoreMaildrop, number: int, first_chunk_octets: int, given: list[bytes] | None = None
) -> list[bytes]:
    given = [] if given is None else given
    async for chunk in drop.read(number, first_chunk_octets):
        given.append(chunk)
    return given


@pytest.mark.parametrize("first", [1, 10, len(PREFIX), len(PREFIX) + 1, 4096, 1 << 20])
async def test_the_chunks_make_the_message(first: int) -> None:
    assert b"".join(await chunks(maildrop(Store()), 2, first)) == PREFIX + CONTENT


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
    for number in (1, 2, 3):
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
        await maildrop(Store(), lost).remove([1])
    assert await maildrop(Store(), lost).remove([]) == 0
    assert await maildrop(Store()).remove([1, 3]) == 2
