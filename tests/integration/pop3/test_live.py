"""The POP3 service as a process, with the Python client, on real PostgreSQL, S3 and NATS."""

import asyncio
import os
import poplib
import signal
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from blobstore import BlobStore
from mailmodel import AccountRef, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import MailStore, NewMessage

from tests.integration.pop3.conftest import Running, Stores

PREFIX = b"Return-Path: <a@b.c>\r\n"
MESSAGES = [
    b"Subject: one\r\n\r\n.leading dot\r\n..\r\nlast\r\n",
    b"Subject: no line end at the end\r\n\r\nend",
    b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 8 * 1024 * 40 + b"\r\n",
]
NOW = datetime(2026, 11, 21, tzinfo=UTC)


async def fill(stores: Stores, blobs: BlobStore, services: list[Running]) -> tuple[MailStore, AccountRef]:
    account = AccountRef(str(uuid4()), str(uuid4()))
    services[0].directory.accounts["alice@example.test", "secret"] = (account.tenant_id, account.account_id)
    store = await MailStore.open(stores.dsn, blobs, lambda change: None)
    await store.provision(account)
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    for content in MESSAGES:
        body = await store.put_body(account, content)
        new = NewMessage(body, PREFIX, examine(content), NOW, Flags(SystemFlag(0), frozenset()))
        await store.append(account, inbox.mailbox_id, [new])
    return store, account


def login(service: Running) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", service.port, timeout=10)
    client.user("alice@example.test")
    client.pass_("secret")
    return client


async def test_a_maildrop_from_login_to_removal(
    stores: Stores, blobs: BlobStore, pop3: list[Running]
) -> None:
    store, account = await fill(stores, blobs, pop3)

    def first_session() -> list[bytes]:
        client = login(pop3[0])
        sizes = [len(PREFIX) + len(content) for content in MESSAGES]
        assert client.stat() == (3, sum(sizes))
        assert client.list()[1] == [b"%d %d" % pair for pair in enumerate(sizes, 1)]
        unique_ids = [line.split()[1] for line in client.uidl()[1]]
        poplib._MAXLINE = 10_000_000  # type: ignore[attr-defined]  # the large message is one line
        for number, content in enumerate(MESSAGES, 1):
            lines = client.retr(number)[1]
            assert b"\r\n".join(lines) == (PREFIX + content).removesuffix(b"\r\n")
        assert client.top(1, 1)[1] == [*PREFIX.splitlines(), b"Subject: one", b"", b".leading dot"]
        client.dele(1)
        client.dele(3)
        client.rset()
        client.dele(2)
        client.quit()
        return unique_ids

    unique_ids = await asyncio.to_thread(first_session)

    def second_session() -> None:
        client = login(pop3[1])
        assert [line.split()[1] for line in client.uidl()[1]] == [unique_ids[0], unique_ids[2]]
        client.quit()

    await asyncio.to_thread(second_session)
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    assert inbox.messages == 2
    await store.close()


async def test_one_session_a_maildrop_over_all_processes(
    stores: Stores, blobs: BlobStore, pop3: list[Running]
) -> None:
    store, _ = await fill(stores, blobs, pop3)

    def sessions() -> None:
        holder = login(pop3[0])
        holder.dele(1)
        for service in pop3:
            with pytest.raises(poplib.error_proto, match="IN-USE"):
                login(service)
        holder.close()  # gone without QUIT: nothing is removed
        assert _login_soon(pop3[1]).stat()[0] == 3

    await asyncio.to_thread(sessions)
    await store.close()


async def test_a_killed_process_frees_its_maildrops(
    stores: Stores, blobs: BlobStore, pop3: list[Running]
) -> None:
    store, _ = await fill(stores, blobs, pop3)
    holder = await asyncio.to_thread(login, pop3[0])
    os.kill(pop3[0].process.pid, signal.SIGKILL)
    await pop3[0].process.wait()
    client = await asyncio.to_thread(_login_soon, pop3[1])
    assert client.stat()[0] == 3
    client.close()
    holder.close()
    await store.close()


async def test_a_removal_elsewhere_does_not_renumber(
    stores: Stores, blobs: BlobStore, pop3: list[Running]
) -> None:
    store, account = await fill(stores, blobs, pop3)
    client = await asyncio.to_thread(login, pop3[0])
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    await store.remove(account, inbox.mailbox_id, [1])

    def session() -> None:
        assert client.stat()[0] == 3
        with pytest.raises(poplib.error_proto, match="SYS/PERM"):
            client.retr(1)
        assert client.retr(2)[1][1] == MESSAGES[1].split(b"\r\n")[0]
        client.dele(1)
        client.dele(2)
        assert client.quit().startswith(b"+OK")

    await asyncio.to_thread(session)
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    assert inbox.messages == 1
    await store.close()


async def test_sigterm_tells_idle_sessions_and_ends(
    stores: Stores, blobs: BlobStore, pop3: list[Running]
) -> None:
    store, _ = await fill(stores, blobs, pop3)
    client = await asyncio.to_thread(login, pop3[0])
    pop3[0].process.terminate()
    async with asyncio.timeout(5):
        assert await pop3[0].process.wait() == 0
    line = await asyncio.to_thread(client.file.readline)
    assert line.startswith(b"-ERR [SYS/TEMP] ")
    client.close()
    await store.close()


def _login_soon(service: Running) -> poplib.POP3:
    """Log in as soon as the maildrop is free; two seconds at most."""
    for attempt in range(40):
        try:
            return login(service)
        except poplib.error_proto:
            if attempt == 39:
                raise
            time.sleep(0.05)
    raise AssertionError
