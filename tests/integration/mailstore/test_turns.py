"""A user's own changes wait for each other without holding what everybody's mail is looked at with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import MailStore, NewMessage, Side
from pgkit import open_pool, transaction

from tests.support.engines import Engines

CONTENT = b"Subject: one\r\n\r\n1\r\n"
SEEN = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None, pool_size=3
    )
    yield opened
    await opened.close()


async def inbox(store: MailStore, account: AccountRef) -> int:
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    await store.append(account, found.mailbox_id, [await new(store, account)])
    return found.mailbox_id


async def new(store: MailStore, account: AccountRef) -> NewMessage:
    body = await store.put_body(account, CONTENT)
    return NewMessage(body, b"", examine(CONTENT), datetime.now(UTC), Flags())


Change = Callable[[MailStore, AccountRef, int], Awaitable[object]]


async def _append_named(store: MailStore, account: AccountRef, _inbox: int) -> object:
    return await store.append_named(account, "INBOX", [await new(store, account)])


async def _append(store: MailStore, account: AccountRef, inbox: int) -> object:
    return await store.append(account, inbox, [await new(store, account)])


async def _replace(store: MailStore, account: AccountRef, inbox: int) -> object:
    return await store.replace(account, inbox, 1, inbox, await new(store, account))


CHANGES: dict[str, Change] = {
    "STORE": lambda store, account, inbox: store.store_flags(account, inbox, [1], SEEN),
    "STORE UNCHANGEDSINCE": lambda store, account, inbox: store.store_flags_unless_changed(
        account, inbox, [1], SEEN, 1 << 40
    ),
    "EXPUNGE": lambda store, account, inbox: store.expunge(account, inbox),
    "COPY": lambda store, account, inbox: store.copy(account, inbox, [1], inbox),
    "MOVE": lambda store, account, inbox: store.move(account, inbox, [1], inbox),
    "MOVE to others": lambda store, account, inbox: store.move_between(
        Side(account, inbox), [1], Side(account, inbox)
    ),
    "APPEND": _append_named,
    "APPEND of long ones": _append,
    "REPLACE": _replace,
    "CREATE": lambda store, account, _inbox: store.create_mailbox(account, str(uuid4())),
    "RENAME": lambda store, account, _inbox: store.rename_mailbox(account, "INBOX", str(uuid4())),
    "SUBSCRIBE": lambda store, account, _inbox: store.subscribe(account, "x"),
    "SETACL": lambda store, account, inbox: store.change_rights(
        account, inbox, "anyone", lambda _rights: frozenset("lr")
    ),
    "SETMETADATA": lambda store, account, inbox: store.change_annotations(
        account, inbox, {"/shared/a": b"b"}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_users_many_changes_beside_one_that_takes_long_leave_connections_to_others(
    engines: Engines, store: MailStore, change: Change
) -> None:
    busy, other = (AccountRef(str(uuid4()), str(uuid4())) for _ in range(2))
    own, others = await inbox(store, busy), await inbox(store, other)
    pool = await open_pool(engines.dsn("store", "app"))
    tasks = []
    try:
        async with transaction(pool, busy.tenant_id) as long:
            await long.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", UUID(busy.account_id))
            tasks = [
                asyncio.ensure_future(change(store, busy, own)) for _ in range(2 * store._pool.get_max_size())
            ]
            async with asyncio.timeout(5):
                # Turns of the loop in which they all have come to where they wait.
                for _ in range(20):
                    await store.changes_since(other, others, 0)
                [entry] = await store.store_flags(other, others, [1], SEEN)
            assert entry.flags.system & SystemFlag.SEEN
            assert not any(task.done() for task in tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(store._turns) == 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pool.close()
