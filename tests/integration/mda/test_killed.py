"""The mda killed while it delivers, again and again: every message is in its mailboxes exactly once.

`make chaos` kills it a thousand times (DELIVERY_KILLS). Four processes share the work; one after the other is killed at a
moment of chance and another takes its place, while messages come. Half of them go through a script that files a copy.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from eventbus import EventBus
from mailmodel import AccountRef
from mailmsg.header import first_value
from mailstore import Columns, MailStore
from nats.aio.client import Client
from posthouse.stack.seaweed import BUCKET
from spool import Letter, Recipient, Source, Spool, new_queue_id

from tests.support.engines import Engines
from tests.support.nursery import Nursery
from tests.support.platform import free_base

KILLS = int(os.environ.get("DELIVERY_KILLS", "8"))
SEED = int(os.environ.get("SEED", "20261121"))
PROCESSES = 4
MESSAGES_A_KILL = 20
ACCOUNTS = 6
SCRIPT = b'require ["fileinto", "copy"]; fileinto :copy "Archive";'


@pytest.fixture
def environment(engines: Engines, tmp_path: Path) -> dict[str, str]:
    files = {"dsn": engines.dsn("store", "app"), "directory-dsn": engines.dsn("directory", "app")}
    for name, value in files.items():
        (tmp_path / name).write_text(value)
    port = free_base()
    return {
        "DIRECTORY_GRPC_PORT": str(port),
        "DIRECTORY_NATS_URL": engines.nats.url,
        "DIRECTORY_DATABASE_DSN_FILE": str(tmp_path / "directory-dsn"),
        "DIRECTORY_DKIM_SECRET_FILE": str(engines.layout.secrets / "s3-secret-key"),
        "MDA_DIRECTORY_TARGET": f"127.0.0.1:{port}",
        "MDA_NATS_URL": engines.nats.url,
        "MDA_S3_URL": engines.seaweed.url,
        "MDA_S3_BUCKET": BUCKET,
        "MDA_S3_ACCESS_KEY_FILE": str(engines.layout.secrets / "s3-access-key"),
        "MDA_S3_SECRET_KEY_FILE": str(engines.layout.secrets / "s3-secret-key"),
        "MDA_DATABASE_DSN_FILE": str(tmp_path / "dsn"),
        "MDA_ACK_WAIT_SECONDS": "2",
        "MDA_RETRY_SECONDS": "0.2",
        "MDA_BATCH_MESSAGES": "8",
    }


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    found = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda _change: None, pool_size=2
    )
    yield found
    await found.close()


async def send(spool: Spool, accounts: list[AccountRef], first: int) -> None:
    """Through the gate, one recipient or two; each has its number for a subject."""

    async def one(number: int) -> None:
        to = {number % ACCOUNTS, (number * 7) % ACCOUNTS}
        recipients = tuple(
            Recipient(
                f"a{each}@ours.test",
                f"a{each}@ours.test",
                accounts[each].tenant_id,
                accounts[each].account_id,
            )
            for each in sorted(to)
        )
        await spool.accept(
            Letter(
                queue_id=new_queue_id(),
                reverse_path="",
                recipients=recipients,
                content=f"Subject: {number}\r\nFrom: <s@far.test>\r\n\r\nhello\r\n".encode(),
                trace_prefix=b"",
                source=Source.MX,
                arrived_at=datetime.now(UTC),
            )
        )

    await asyncio.gather(*(one(number) for number in range(first, first + MESSAGES_A_KILL)))


async def filed(store: MailStore, account: AccountRef, mailbox: str) -> Counter[int]:
    """How often each message is there."""
    found: Counter[int] = Counter()
    info = await store.get_mailbox(account, mailbox)
    if info is None:
        return found
    uids = [entry.uid for entry in (await store.snapshot(account, info.mailbox_id)).entries]
    async for part in store.fetch(account, info.mailbox_id, uids, Columns.HEADER):
        found.update(int(first_value(each.header, b"Subject") or b"-1") for each in part)
    return found


def wanted(messages: int) -> list[Counter[int]]:
    """For each account, what must be there."""
    found: list[Counter[int]] = [Counter() for _ in range(ACCOUNTS)]
    for number in range(messages):
        for each in {number % ACCOUNTS, (number * 7) % ACCOUNTS}:
            found[each][number] = 1
    return found


async def under_way(client: Client) -> int:
    """Messages that some process has and has not settled."""
    info = await client.jetstream().consumer_info("MAIL", "mda")
    return info.num_ack_pending or 0


async def busy(client: Client) -> None:
    """Some process has work."""
    while not await under_way(client):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def handed_out(client: Client) -> int:
    """How much more often messages were handed out than there were any."""
    info = await client.jetstream().consumer_info("MAIL", "mda")
    assert info.delivered is not None
    last = (await client.jetstream().stream_info("MAIL")).state.last_seq
    return int(info.delivered.consumer_seq) - int(last)


async def known(engines: Engines, tenant_id: str) -> None:
    """The directory has this tenant: how its bodies are to be stored is asked for each of its messages."""
    connection = await asyncpg.connect(engines.dsn("directory", "owner"))
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('posthouse.tenant', $1, true)", tenant_id)
            await connection.execute(
                "INSERT INTO tenant (tenant_id, name) VALUES ($1::uuid, $2)", tenant_id, f"t{tenant_id[:8]}"
            )
    finally:
        await connection.close()


async def listens(port: int) -> None:
    """Who asks before the directory is there waits longer and longer."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


async def begun(store: MailStore, account: AccountRef) -> None:
    """They run, and the directory answers."""
    while not await filed(store, account, "INBOX"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_nothing_is_lost_and_nothing_comes_twice(
    engines: Engines, environment: dict[str, str], store: MailStore, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    tenant = str(uuid4())
    await known(engines, tenant)
    accounts = [AccountRef(tenant, str(uuid4())) for _ in range(ACCOUNTS)]
    for account in accounts[::2]:
        await store.scripts.put(account, "main", SCRIPT, most=1)
        await store.scripts.activate(account, "main")
    bus = await EventBus.connect(engines.nats.url, name="test")
    await bus.ensure_stream()
    spool = Spool(engines.seaweed.store(), bus)
    client = Client()
    await client.connect(engines.nats.url)
    nursery = Nursery("mda", environment)
    with (tmp_path / "directory.log").open("wb") as log:
        directory = subprocess.Popen(
            [sys.executable, "-m", "directory"],
            env={"PATH": os.environ["PATH"]} | environment,
            stdout=log,
            stderr=log,
        )
    cut_off = 0
    try:
        await asyncio.wait_for(listens(int(environment["DIRECTORY_GRPC_PORT"])), 90)
        log_file = tmp_path / "mda.log"
        running = [nursery.start(log_file) for _ in range(PROCESSES)]
        await send(spool, accounts, 0)
        await asyncio.wait_for(begun(store, accounts[1]), 90)
        before = await handed_out(client)
        for kill in range(1, KILLS + 1):
            await send(spool, accounts, kill * MESSAGES_A_KILL)
            with contextlib.suppress(TimeoutError):
                # On a busy machine they take their time to begin; all may be filed before anybody looks.
                await asyncio.wait_for(busy(client), 1.0)
            await asyncio.sleep(chance.random() * 0.1)
            victim = running.pop(0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                # What it had taken comes again.
                cut_off += bool(await under_way(client))
            running.append(nursery.start(log_file))
        messages = (KILLS + 1) * MESSAGES_A_KILL
        expected = wanted(messages)
        deadline = asyncio.get_running_loop().time() + 30 + messages / 100
        while True:
            inboxes = [await filed(store, account, "INBOX") for account in accounts]
            state = await client.jetstream().stream_info("MAIL", subjects_filter="mail.local.*")
            done = all(found.keys() >= due.keys() for found, due in zip(inboxes, expected, strict=True))
            if done and not state.state.subjects and not await under_way(client):
                break
            assert asyncio.get_running_loop().time() < deadline, log_file.read_text()[-3000:]
            await asyncio.sleep(0.2)
        again = await handed_out(client) - before
        print(
            f"{KILLS} kills, {cut_off} with messages under way; {messages} messages, {again} packs came again"
        )
        assert inboxes == expected
        for number, account in enumerate(accounts):
            due = expected[number] if number % 2 == 0 else Counter[int]()
            assert await filed(store, account, "Archive") == due
        assert cut_off, "they were killed at the wrong time"
        assert again, "nothing was cut off"
        assert '"message_poisoned"' not in log_file.read_text()
    finally:
        nursery.end()
        directory.kill()
        directory.wait()
        await client.close()
        await bus.close()
