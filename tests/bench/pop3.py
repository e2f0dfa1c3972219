"""POP3 on large maildrops: `python -m tests.bench.pop3 [messages]`.

Real PostgreSQL and S3. First a maildrop of many messages (100,000) is opened, its bodies never touched: they do not
even exist. Then one of 2,000 small messages, packed by 32 as the gate packs them, is read from end to end, with and
without reading ahead. Nothing here is a test: it prints.
"""

import asyncio
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import mailstore.migrate
from blobstore import BlobStore, BodyReference
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef, Flags, SystemFlag
from mailmsg.facts import examine
from mailproto.pop3.server import Pop3Server
from mailproto.pop3.states import PasswordRule, TlsState, Welcome
from mailstore import MailStore, NewMessage, Prepared
from pop3.adapters.maildrop import StoreMaildrop, StoreMaildrops
from pop3.adapters.maildrop_lock import MaildropLocks
from posthouse.stack.seaweed import BUCKET

from tests.support.engines import Engines, running

SMALL = b"Subject: a letter\r\nFrom: <a@b.test>\r\n\r\n" + b"A line of a letter of some length.\r\n" * 55
PACKED = 32
NOW = datetime(2026, 11, 21, tzinfo=UTC)


async def nothing_chosen(_account_id: str) -> AccountSettings:
    return AccountSettings()


async def fill(
    store: MailStore, blobs: BlobStore | None, account: AccountRef, count: int, content: bytes
) -> None:
    await store.provision(account)
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    facts, digest, flags = (
        examine(content),
        hashlib.sha256(content).digest(),
        Flags(SystemFlag(0), frozenset()),
    )
    for start in range(0, count, 1024):
        new = []
        for first in range(start, min(start + 1024, count), PACKED):
            key = f"mail/bench/{uuid4().hex}"
            if blobs is not None:
                await blobs.put(key, [content] * PACKED)
            new += [
                NewMessage(BodyReference(key, n * len(content), len(content), digest), b"", facts, NOW, flags)
                for n in range(min(PACKED, count - first))
            ]
        await store.append(account, inbox.mailbox_id, new)


def milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000


async def opening(drops: StoreMaildrops, account: AccountRef) -> None:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        drop = await drops.open(account)
        times.append(milliseconds(started))
        assert drop is not None
        await drop.close()
    drop = await drops.open(account)
    assert drop is not None
    count = drop.contents.count()
    print(
        f"open {count} messages: {statistics.median(times):.0f} ms (of {', '.join(f'{t:.0f}' for t in times)})"
    )
    for command in (b"LIST", b"UIDL"):
        machine = Pop3Server(Welcome("bench"), TlsState.UNAVAILABLE, PasswordRule.PLAINTEXT_ALLOWED)
        machine.receive(b"USER a\r\nPASS b\r\n")
        machine.next_event()
        machine.login_succeeded(drop.contents)
        machine.data_to_send()
        machine.receive(command + b"\r\n")
        octets, longest, started = 0, 0.0, time.perf_counter()
        while True:
            piece = time.perf_counter()
            event = machine.next_event()
            octets += len(machine.data_to_send())
            longest = max(longest, milliseconds(piece))
            if event is None:
                break
        took = milliseconds(started)
        print(f"{command.decode()}: {took:.0f} ms, {octets} octets, the longest piece {longest:.1f} ms")
    await drop.close()


async def read_one(chunks: AsyncGenerator[bytes, None]) -> int:
    async with aclosing(chunks):
        return sum([len(chunk) async for chunk in chunks])


async def retrieving(drops: StoreMaildrops, account: AccountRef) -> None:
    for name, prepared in (("one by one", Prepared(0)), ("read ahead", Prepared())):
        drops._prepared = prepared
        drop = await drops.open(account)
        assert isinstance(drop, StoreMaildrop)
        count = drop.contents.count()
        started = time.perf_counter()
        octets = 0
        for number in range(1, count + 1):
            whole = drop.at_hand(number)
            octets += await read_one(drop.read(number, 1 << 20)) if whole is None else len(whole)
        seconds = time.perf_counter() - started
        assert octets == drop.contents.size_octets()
        print(f"{count} messages of {len(SMALL)} octets, {name}: {count / seconds:.0f} msg/s")
        await drop.close()


async def measure(engines: Engines, messages: int) -> None:
    dsn = engines.dsn("store", "app")
    blobs = BlobStore.open(
        engines.seaweed.url,
        BUCKET,
        engines.layout.secret("s3-access-key"),
        engines.layout.secret("s3-secret-key"),
    )
    store = await MailStore.open(dsn, blobs, lambda change: None)
    locks = MaildropLocks(dsn)
    drops = StoreMaildrops(store, locks, nothing_chosen)
    large, small = (AccountRef(str(uuid4()), str(uuid4())) for _ in range(2))
    started = time.perf_counter()
    await fill(store, None, large, messages, b"Subject: x\r\n\r\nx\r\n")
    print(f"{messages} messages filed in {time.perf_counter() - started:.0f} s")
    await opening(drops, large)
    await fill(store, blobs, small, 2000, SMALL)
    await retrieving(drops, small)
    await locks.close()
    await store.close()


async def main(messages: int) -> None:
    with tempfile.TemporaryDirectory(prefix="posthouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with running(folder / "stores", "seaweedfs") as engines:
            await engines.seaweed.make_durable()
            await asyncio.to_thread(mailstore.migrate.migrate, engines.dsn("store", "owner"), "store_app")
            await measure(engines, messages)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
