"""APPEND of short messages in one statement: alone, together with others', beside a locked account, and refused."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.quota import QuotaLimits
from mailmsg.facts import examine
from mailstore import (
    Columns,
    MailboxChange,
    MailboxMissing,
    MailboxNameInvalid,
    MailStore,
    NewMessage,
    QuotaExceeded,
    StoredMessage,
)
from mailstore.appending import Appended, Appender, Item
from pgkit import OutsideTenant, only_within, transaction

from tests.support.engines import Engines


class Store(MailStore):
    """With what it has told, and limits that a test chooses."""

    changes: list[MailboxChange]
    chosen: dict[str, QuotaLimits]


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[Store]:
    changes: list[MailboxChange] = []
    chosen: dict[str, QuotaLimits] = {}

    async def limits(_accounts: Sequence[AccountRef]) -> Mapping[str, QuotaLimits]:
        return chosen

    opened = await Store.open(
        engines.dsn("store", "app"), engines.seaweed.store(), changes.append, pool_size=8, limits=limits
    )
    assert isinstance(opened, Store)
    opened.changes, opened.chosen = changes, chosen
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


async def new(store: MailStore, account: AccountRef, content: bytes, *flags: str) -> NewMessage:
    [body] = await store.put_bodies(account, [content])
    return NewMessage(body, b"", examine(content), datetime.now(UTC), Flags.from_wire(flags))


async def append(
    store: MailStore, account: AccountRef, *contents: bytes, name: str = "INBOX", flags: Sequence[str] = ()
) -> Appended:
    messages = [await new(store, account, content, *flags) for content in contents]
    return await store.append_named(account, name, messages)


def text(number: int, octets: int = 10) -> bytes:
    return b"Message-ID: <%d@a.test>\r\nSubject: %d\r\n\r\n" % (number, number) + b"x" * octets + b"\r\n"


async def held(store: MailStore, account: AccountRef, name: str = "INBOX") -> list[tuple[int, bytes]]:
    found = await store.get_mailbox(account, name)
    assert found is not None
    stored = [
        message
        async for part in store.fetch(account, found.mailbox_id, range(1, 200), Columns.BODY)
        for message in part
    ]
    return [(m.uid, await store.read(m, 0, m.size_octets)) for m in stored]


async def counters_are_exact(store: MailStore, account: AccountRef) -> None:
    for info in await store.list_mailboxes(account):
        snapshot = await store.snapshot(account, info.mailbox_id)
        _, sizes = await store.sizes(account, info.mailbox_id)
        assert (info.messages, info.size_octets) == (len(sizes), sum(sizes))
        assert info.unseen == sum(not flags & SystemFlag.SEEN for flags in snapshot.system_flags)
        assert info.uid_next == max(snapshot.uids, default=0) + 1
        assert info.highest_modseq >= max(snapshot.modseqs, default=0)


async def test_it_is_there_as_by_the_long_way(store: Store, account: AccountRef) -> None:
    """The same row for row, whichever way a message came."""
    content = text(1, 500)
    messages = [await new(store, account, content, "\\Seen", "beta", "Alpha") for _ in range(2)]
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    await store.append(account, inbox.mailbox_id, [messages[0]])
    appended = await store.append_named(account, "inbox", [messages[1]])
    assert (appended.mailbox_id, appended.uid_validity) == (inbox.mailbox_id, inbox.uid_validity)
    assert appended.uids == [2]
    assert store.changes[-1] == MailboxChange(account, inbox.mailbox_id, appended.modseq)
    everything = (
        Columns.ENVELOPE | Columns.STRUCTURE | Columns.HEADER | Columns.BODY | Columns.SENT | Columns.THREAD
    )
    [both] = [part async for part in store.fetch(account, inbox.mailbox_id, [1, 2], everything)]
    one, other = both
    assert one.reference is not None
    assert other.reference is not None
    assert (one.reference.length, one.reference.digest) == (len(content), other.reference.digest)

    def like(message: StoredMessage) -> StoredMessage:
        at = messages[0].internal_date
        return replace(
            message, uid=0, modseq=0, message_id="", reference=None, saved_at=None, internal_date=at
        )

    assert like(one) == like(other)
    assert one.flags == Flags(SystemFlag.SEEN, frozenset({"beta", "Alpha"}))
    assert other.internal_date == messages[1].internal_date
    await counters_are_exact(store, account)
    while await store.pack():
        pass
    assert await held(store, account) == [(1, content), (2, content)]


async def test_a_new_account_gets_its_mailboxes_first(store: Store, account: AccountRef) -> None:
    assert (await append(store, account, text(1))).uids == [1]
    assert (await append(store, account, text(2), text(3))).uids == [2, 3]
    assert await held(store, account) == [(1, text(1)), (2, text(2)), (3, text(3))]


async def test_those_of_many_are_filed_together_and_each_gets_its_own(store: Store) -> None:
    """A hundred at once, of two tenants, into several mailboxes and one that is not there."""
    tenants = [str(uuid4()), str(uuid4())]
    accounts = [AccountRef(tenants[n % 2], str(uuid4())) for n in range(6)]
    for each in accounts:
        await store.list_mailboxes(each)
    store.changes.clear()
    names = ("INBOX", "Archive", "Nowhere")
    asked = [(accounts[n % 6], names[n // 6 % 3], n) for n in range(96)]
    calls: list[int] = []
    counted = _counting(store, calls)
    with counted:
        done = await asyncio.gather(
            *(append(store, who, text(n), name=name) for who, name, n in asked), return_exceptions=True
        )
    # By far not one by one: those that came while a statement was under way went together.
    assert sum(calls) == 96
    assert len(calls) < 20
    told = set()
    for (who, name, n), outcome in zip(asked, done, strict=True):
        if name == "Nowhere":
            assert isinstance(outcome, MailboxMissing)
            continue
        assert isinstance(outcome, Appended), outcome
        told.add((who.account_id, outcome.mailbox_id, outcome.modseq))
        [uid] = outcome.uids
        assert (uid, text(n)) in await held(store, who, name)
    assert {(c.account.account_id, c.mailbox_id, c.highest_modseq) for c in store.changes} == told
    for each in accounts:
        await counters_are_exact(store, each)


@contextlib.contextmanager
def _counting(store: MailStore, calls: list[int]) -> Iterator[None]:
    """How many items each statement had."""
    appender: Appender = store._appender
    plain = appender._call

    async def call(items: Sequence[Item], *, waits: bool) -> list[asyncpg.Record]:
        calls.append(len(items))
        return await plain(items, waits=waits)

    appender._call = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        appender._call = plain  # type: ignore[method-assign]


async def test_a_locked_account_holds_nobody_else_up(store: Store, account: AccountRef) -> None:
    locked = [AccountRef(account.tenant_id, str(uuid4())) for _ in range(3)]
    for each in (account, *locked):
        await store.list_mailboxes(each)
    async with transaction(store._pool, account.tenant_id) as holding:
        await holding.execute(
            "UPDATE account SET modseq = modseq + 1 WHERE account_id = ANY($1::uuid[])",
            [UUID(each.account_id) for each in locked],
        )
        waiting = [asyncio.ensure_future(append(store, each, text(1))) for each in locked]
        # These are in the same queue, and some in the same statement.
        assert [(await append(store, account, text(n))).uids for n in range(3)] == [[1], [2], [3]]
        assert not any(each.done() for each in waiting)
    assert [(await each).uids for each in waiting] == [[1], [1], [1]]
    for each in (account, *locked):
        await counters_are_exact(store, each)


async def test_one_that_cannot_be_filed_fails_alone(store: Store, account: AccountRef) -> None:
    """A keyword with NUL, which PostgreSQL's text has not, breaks the whole statement; the others are filed all the same."""
    await store.list_mailboxes(account)
    messages = [await new(store, account, text(n)) for n in range(5)]
    messages[2] = replace(messages[2], flags=Flags(SystemFlag(0), frozenset({"a\0b"})))
    blocker = asyncio.gather(*(append(store, account, text(10 + n)) for n in range(2)))
    done = await asyncio.gather(
        *(store.append_named(account, "INBOX", [each]) for each in messages), return_exceptions=True
    )
    await blocker
    assert [isinstance(each, Appended) for each in done] == [True, True, False, True, True]
    assert isinstance(done[2], asyncpg.PostgresError | asyncpg.InterfaceError | ValueError)
    assert sorted(content for _, content in await held(store, account)) == sorted(
        text(n) for n in (0, 1, 3, 4, 10, 11)
    )
    await counters_are_exact(store, account)


async def test_one_that_goes_away_keeps_nobody_from_an_answer(store: Store, account: AccountRef) -> None:
    await store.list_mailboxes(account)
    tasks = [asyncio.ensure_future(append(store, account, text(n))) for n in range(8)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[5].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[5], asyncio.CancelledError)
    assert all(isinstance(each, Appended) for n, each in enumerate(done) if n != 5)
    contents = [content for _, content in await held(store, account)]
    assert set(contents) - {text(5)} == {text(n) for n in range(8) if n != 5}
    await counters_are_exact(store, account)


async def test_room_is_counted_under_the_lock(store: Store, account: AccountRef) -> None:
    """Ten at once where there is room for three: three are filed, and what is kept is told exactly."""
    await store.list_mailboxes(account)
    size = len(text(1, 100))
    store.chosen[account.account_id] = QuotaLimits(octets=3 * size + size // 2)
    done = await asyncio.gather(
        *(append(store, account, text(1, 100)) for _ in range(10)), return_exceptions=True
    )
    filed = [each for each in done if isinstance(each, Appended)]
    assert len(filed) == 3
    assert all(isinstance(each, QuotaExceeded) for each in done if not isinstance(each, Appended))
    assert sorted(each.quota.used_octets for each in filed if each.quota) == [size, 2 * size, 3 * size]
    quota = await store.quota(account)
    assert (quota.used_octets, quota.used_messages) == (3 * size, 3)
    with pytest.raises(MailboxMissing):
        await append(store, account, text(1, 100), name="Nowhere")
    store.chosen[account.account_id] = QuotaLimits(messages=4)
    assert (await append(store, account, text(2))).uids == [4]
    with pytest.raises(QuotaExceeded):
        await append(store, account, text(3))
    await counters_are_exact(store, account)


async def test_what_is_long_or_shares_room_goes_the_other_way(store: Store, account: AccountRef) -> None:
    calls: list[int] = []
    await store.list_mailboxes(account)
    with _counting(store, calls):
        await append(store, account, text(1, 100_000))
        store.chosen[account.account_id] = QuotaLimits(tenant_octets=200_000)
        await append(store, account, text(2))
        with pytest.raises(QuotaExceeded, match="tenant"):
            await append(store, account, text(3, 150_000))
        with pytest.raises(MailboxMissing):
            await append(store, account, text(3), name="Nowhere")
        with pytest.raises(MailboxNameInvalid):
            await append(store, account, text(3), name="a//b")
    assert calls == []
    assert [uid for uid, _ in await held(store, account)] == [1, 2]


async def test_nobody_gets_into_another_tenant(store: Store, account: AccountRef) -> None:
    await append(store, account, text(1))
    stranger = AccountRef(str(uuid4()), account.account_id)
    with pytest.raises(MailboxMissing):
        await append(store, stranger, text(2))
    # A tenant of one item is no tenant of the next one, in whatever order they stand.
    outcomes = await asyncio.gather(
        append(store, account, text(3)),
        append(store, stranger, text(4)),
        append(store, account, text(5)),
        append(store, stranger, text(6)),
        return_exceptions=True,
    )
    assert [isinstance(each, MailboxMissing) for each in outcomes] == [False, True, False, True]
    assert sorted(content for _, content in await held(store, account)) == [text(1), text(3), text(5)]
    assert await store._pool.fetchval("SELECT count(*) FROM message") == 0


async def test_who_acts_within_one_tenant_gets_into_no_other(store: Store, account: AccountRef) -> None:
    """Not by statements either that enter tenants by themselves."""
    other = AccountRef(str(uuid4()), str(uuid4()))
    inbox = await store.get_mailbox(other, "INBOX")
    assert inbox is not None
    await append(store, other, text(1))
    message = await new(store, other, text(2))
    seen = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
    with only_within(account.tenant_id):
        assert (await append(store, account, text(1))).uids == [1]
        with pytest.raises(OutsideTenant):
            await store.append_named(other, "INBOX", [message])
        with pytest.raises(OutsideTenant):
            await store.store_flags(other, inbox.mailbox_id, [1], seen)
    assert [uid for uid, _ in await held(store, other)] == [1]
    assert (await store.snapshot(other, inbox.mailbox_id)).system_flags == [0]
