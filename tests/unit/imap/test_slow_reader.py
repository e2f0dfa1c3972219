"""A client that reads slowly holds up its own FETCH and nothing lies in memory meanwhile, neither rows nor bodies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from blobstore import BodyReference
from mailmodel import AccountRef
from mailmodel.flags import NO_FLAGS
from mailstore import Columns, Snapshot, StoredMessage, StoreUnavailable

from tests.support.imap_memory import Client, Imap

MESSAGES = 100_000
PIECE = 500
BODY_OCTETS = 100 * 1024 * 1024
HIGH_WATER = 256 * 1024
# Turns of the loop in which a server that does not wait would have done it all.
TURNS = 3_000
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Slow:
    """The client's side of a connection whose buffer is full until it reads."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wire = client._wire
        self.has_read = asyncio.Event()
        self.received = 0
        self.tail = b""
        self.most = 0
        monkeypatch.setattr(self.wire, "drain", self._drain)

    async def _drain(self, timeout_seconds: float | None = None) -> None:
        self.most = max(self.most, len(self.wire.sent))
        while len(self.wire.sent) > HIGH_WATER:
            self.has_read.clear()
            await self.has_read.wait()

    async def sleep(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def read_until(self, tag: bytes) -> None:
        while not (self.tail.endswith(b"\r\n") and tag in self.tail):
            self.received += len(self.wire.sent)
            self.tail = (self.tail + bytes(self.wire.sent))[-200:]
            self.wire.sent.clear()
            self.has_read.set()
            await asyncio.sleep(0)


def message(uid: int) -> StoredMessage:
    reference = BodyReference("k", 0, BODY_OCTETS, b"")
    return StoredMessage(uid, 1, NO_FLAGS, AT, BODY_OCTETS, "0", envelope=b"(NIL)" * 20, reference=reference)


@pytest.fixture
def reads(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the store was asked for: octets of bodies, or messages."""
    asked: list[int] = []
    take: Callable[..., Awaitable[Snapshot]] = imap.store.snapshot

    async def snapshot(account: AccountRef, mailbox_id: int, *, claim_recent: bool = False) -> Snapshot:
        real = await take(account, mailbox_id)
        uids = list(range(1, MESSAGES + 1))
        return Snapshot(real.info, uids, [1] * MESSAGES, [0] * MESSAGES, {}, MESSAGES + 1)

    async def fetch(
        account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        for start in range(0, len(uids), PIECE):
            chosen = uids[start : start + PIECE]
            asked.append(len(chosen))
            yield [message(uid) for uid in chosen]

    async def read(stored: StoredMessage, offset: int, length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    monkeypatch.setattr(imap.store, "snapshot", snapshot)
    monkeypatch.setattr(imap.store, "fetch", fetch)
    monkeypatch.setattr(imap.store, "read", read)
    return asked


def test_a_hundred_thousand_rows_are_read_as_the_client_reads(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = imap.client(select="INBOX")
    slow = Slow(client, monkeypatch)

    async def scenario() -> None:
        slow.wire.feed(b"x FETCH 1:* ENVELOPE\r\n")
        await slow.sleep()
        assert sum(reads) <= 10 * PIECE, "it reads on though nobody takes it"
        await slow.read_until(b"x OK FETCH completed")

    imap._loop.run_until_complete(scenario())
    assert sum(reads) == MESSAGES
    assert slow.received > 10_000_000
    assert slow.most < HIGH_WATER + 200_000


def test_a_large_body_is_read_as_the_client_reads(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = imap.client(select="INBOX")
    slow = Slow(client, monkeypatch)

    async def scenario() -> None:
        slow.wire.feed(b"x FETCH 7 BODY.PEEK[]\r\n")
        await slow.sleep()
        assert sum(reads) < 4 * 1024 * 1024
        await slow.read_until(b"x OK FETCH completed")

    imap._loop.run_until_complete(scenario())
    assert sum(reads[1:]) == BODY_OCTETS
    assert slow.received > BODY_OCTETS
    assert slow.most < 2 * 1024 * 1024


def test_who_leaves_in_the_middle_of_a_large_body_leaves_no_read_behind(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = imap.client(select="INBOX")
    slow = Slow(client, monkeypatch)

    async def scenario() -> None:
        before = asyncio.all_tasks()
        slow.wire.feed(b"x FETCH 7 BODY.PEEK[]\r\n")
        await slow.sleep()
        client._task.cancel()
        await asyncio.gather(client._task, return_exceptions=True)
        assert asyncio.all_tasks() <= before

    imap._loop.run_until_complete(scenario())
    # One chunk is read while one waits to be taken.
    assert len(reads) <= 1 + 3


def test_no_more_of_a_body_is_read_than_is_wanted(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = imap.client(select="INBOX")
    slow = Slow(client, monkeypatch)

    async def scenario() -> None:
        slow.wire.feed(b"x FETCH 7 BODY.PEEK[]<1000.1200000>\r\n")
        await slow.read_until(b"x OK FETCH completed")

    imap._loop.run_until_complete(scenario())
    assert sum(reads[1:]) == 1_200_000


def test_a_body_that_cannot_be_read_to_its_end_breaks_the_connection(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tagged NO would be taken for octets of the body that was promised."""

    async def read(stored: StoredMessage, offset: int, length: int) -> bytes:
        if offset:
            raise StoreUnavailable("the object storage is away")
        return bytes(length)

    monkeypatch.setattr(imap.store, "read", read)
    client = imap.client(select="INBOX")
    slow = Slow(client, monkeypatch)

    async def scenario() -> None:
        slow.wire.feed(b"x FETCH 7 BODY.PEEK[]\r\n")
        reading = asyncio.create_task(slow.read_until(b"x NO"))
        await asyncio.wait({client._task, reading}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        assert client._task.done(), slow.tail
        with pytest.raises(ConnectionError):
            await client._task

    imap._loop.run_until_complete(scenario())
    assert 0 < slow.received < BODY_OCTETS


def test_a_body_of_which_nothing_can_be_read_is_an_answer(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(stored: StoredMessage, offset: int, length: int) -> bytes:
        raise StoreUnavailable("the object storage is away")

    monkeypatch.setattr(imap.store, "read", read)
    client = imap.client(select="INBOX")
    assert [line.split("]")[0] for line in client.say("FETCH 7 BODY.PEEK[]")] == ["NO [UNAVAILABLE"]


def test_who_reads_nothing_for_too_long_is_cut_off(
    imap: Imap, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = imap.client(select="INBOX")
    waited: list[float | None] = []

    async def drain(timeout_seconds: float | None = None) -> None:
        waited.append(timeout_seconds)
        raise TimeoutError

    monkeypatch.setattr(client._wire, "drain", drain)
    with pytest.raises(ConnectionError):
        client.raw("FETCH 7 BODY.PEEK[]")
    assert client.is_over
    assert b"x NO" not in client._wire.sent
    assert waited == [1800.0]
