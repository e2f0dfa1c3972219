"""Who changes the same rows at once: nobody hears of a deadlock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from mailmodel import AccountRef, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import BodyText, Columns, MailStore, NewMessage
from pgkit import Connection, transaction
from pgkit.errors import Collided

from tests.support.engines import Engines

CONTENTS = (b"Subject: one\r\n\r\n1\r\n", b"Subject: two\r\n\r\n2\r\n")


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    yield opened
    await opened.close()


class Box:
    """An account's INBOX with two messages that are \\Deleted; `ids` are in order."""

    def __init__(self, account: AccountRef, mailbox_id: int, ids: list[str]) -> None:
        self.account = account
        self.mailbox_id = mailbox_id
        self.ids = ids

    @property
    def texts(self) -> list[BodyText]:
        return [BodyText(each, f"text of {each}") for each in self.ids]

    async def insert_text(self, connection: Connection, message_id: str) -> None:
        await connection.execute(
            """INSERT INTO message_text (account_id, message_id, tenant_id, body, complete, language, words)
               VALUES ($1, $2, $3, 'x', true, 'simple', to_tsvector('x'))""",
            UUID(self.account.account_id),
            UUID(message_id),
            UUID(self.account.tenant_id),
        )


@pytest.fixture
async def box(store: MailStore) -> Box:
    return await filled(store)


async def filled(store: MailStore) -> Box:
    account = AccountRef(str(uuid4()), str(uuid4()))
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    bodies = await store.put_bodies(account, CONTENTS)
    deleted = Flags(SystemFlag.DELETED)
    await store.append(
        account,
        found.mailbox_id,
        [
            NewMessage(body, b"", examine(content), datetime.now(UTC), deleted)
            for body, content in zip(bodies, CONTENTS, strict=True)
        ],
    )
    pieces = [p async for p in store.fetch(account, found.mailbox_id, range(1, 9), Columns(0))]
    return Box(account, found.mailbox_id, sorted(message.message_id for piece in pieces for message in piece))


async def somebody_waits(connection: Connection) -> None:
    async with asyncio.timeout(20):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass


async def test_texts_are_kept_beside_who_takes_the_messages_away(store: MailStore, box: Box) -> None:
    first, last = box.ids
    async with transaction(store._pool, box.account.tenant_id) as other, asyncio.timeout(20):
        await other.execute("DELETE FROM entry WHERE account_id = $1", UUID(box.account.account_id))
        await other.execute("DELETE FROM message WHERE message_id = $1", UUID(last))
        # It waits for nobody, so nobody can wait for it in a circle.
        await store.keep_texts(box.account, "simple", box.texts)
        await other.execute("DELETE FROM message WHERE message_id = $1", UUID(first))


@pytest.mark.parametrize("turned", [False, True])
async def test_texts_are_kept_by_two_at_once(store: MailStore, box: Box, turned: bool) -> None:
    first, last = box.ids
    async with transaction(store._pool, box.account.tenant_id) as other, asyncio.timeout(20):
        await box.insert_text(other, first)
        texts = list(reversed(box.texts)) if turned else box.texts
        keeping = asyncio.create_task(store.keep_texts(box.account, "simple", texts))
        await somebody_waits(other)
        await box.insert_text(other, last)
    await keeping


async def test_an_expunge_that_collides_is_done_all_the_same(store: MailStore) -> None:
    for _ in range(5):
        box = await filled(store)
        try:
            async with transaction(store._pool, box.account.tenant_id) as other, asyncio.timeout(20):
                await other.execute("SELECT FROM message WHERE message_id = $1 FOR UPDATE", UUID(box.ids[0]))
                expunging = asyncio.create_task(store.expunge(box.account, box.mailbox_id))
                await somebody_waits(other)
                # Now each waits for the other, and the one that waits longer is given up.
                await other.execute(
                    "SELECT FROM account WHERE account_id = $1 FOR UPDATE", UUID(box.account.account_id)
                )
        except Collided:
            # A machine that stood still for a second in between gives up the other one: nothing is shown by that.
            assert await expunging == [1, 2]
            continue
        assert await expunging == [1, 2]
        return
    pytest.fail("the expunge was never the one that is given up")
