"""The mail store on real PostgreSQL and S3: exactly once, exact counters, walls between tenants."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from blobstore import BodyReference
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.rights import parse_rights
from mailmsg.facts import examine
from mailstore import (
    BodyCorrupt,
    BodyText,
    Columns,
    Delivery,
    FlagLimits,
    MailboxChange,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
    MailStore,
    NewMessage,
    Outcome,
    reading,
)
from mailstore.tables import metadata
from pgkit import single, transaction

from tests.support.engines import Engines

SEEN = Flags(SystemFlag.SEEN)
FILED, REPEATED, OVER_QUOTA = Outcome.FILED, Outcome.REPEATED, Outcome.OVER_QUOTA


class Store(MailStore):
    """With what it has told."""

    changes: list[MailboxChange]


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[Store]:
    changes: list[MailboxChange] = []
    opened = await Store.open(
        engines.dsn("store", "app"), engines.seaweed.store(), changes.append, pool_size=8
    )
    assert isinstance(opened, Store)
    opened.changes = changes
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


def new(content: bytes = b"Subject: x\r\n\r\nbody\r\n", flags: Flags | None = None) -> NewMessage:
    return NewMessage(
        body=BodyReference(f"mail/none/{uuid4()}", 0, len(content), hashlib.sha256(content).digest()),
        prefix=b"Return-Path: <>\r\n",
        facts=examine(content),
        internal_date=datetime.now(UTC),
        flags=flags or Flags(),
    )


def delivery(account: AccountRef, queue_id: str, recipient: str = "a@b.test") -> Delivery:
    return Delivery(account, queue_id, recipient, "INBOX", new())


async def inbox(store: MailStore, account: AccountRef) -> int:
    found = await store.get_mailbox(account, "inbox")
    assert found is not None
    return found.mailbox_id


async def counters_are_exact(store: MailStore, account: AccountRef) -> None:
    for info in await store.list_mailboxes(account):
        snapshot = await store.snapshot(account, info.mailbox_id)
        sizes = [
            message.size_octets
            async for part in store.fetch(account, info.mailbox_id, snapshot.uids, Columns(0))
            for message in part
        ]
        assert info.messages == len(snapshot.uids)
        assert info.unseen == sum(not flags & SystemFlag.SEEN for flags in snapshot.system_flags)
        assert info.size_octets == sum(sizes)
        assert info.uid_next > max(snapshot.uids, default=0)


async def test_a_repeated_delivery_is_filed_once(store: MailStore, account: AccountRef) -> None:
    batch = [delivery(account, "q1"), delivery(account, "q2"), delivery(account, "q1")]
    assert await store.deliver(batch) == [FILED, FILED, REPEATED]
    assert await store.deliver([delivery(account, "q1"), delivery(account, "q3")]) == [REPEATED, FILED]
    assert len((await store.snapshot(account, await inbox(store, account))).uids) == 3
    assert await store.settled(["q1", "q2", "q9"]) == {("q1", "a@b.test"), ("q2", "a@b.test")}


async def test_what_a_script_discarded_is_settled_and_not_filed(
    store: MailStore, account: AccountRef
) -> None:
    dropped = replace(delivery(account, "q1"), new=None)
    assert await store.deliver([dropped, delivery(account, "q2")]) == [FILED, FILED]
    assert await store.deliver([delivery(account, "q1")]) == [REPEATED]
    assert (await store.snapshot(account, await inbox(store, account))).uids == [1]
    await counters_are_exact(store, account)


async def test_what_was_refused_is_known_for_it(store: MailStore, account: AccountRef) -> None:
    refused = replace(delivery(account, "q1"), new=None, refused="5.7.1")
    assert await store.deliver([refused, delivery(account, "q2")]) == [FILED, FILED]
    batch = [delivery(account, f"q{n}") for n in (2, 1, 3)]
    assert await store.deliver(batch) == [REPEATED, Outcome.REFUSED, FILED]
    # What was filed stays so, whatever is said of it later.
    await store.deliver([replace(delivery(account, "q2"), refused="5.2.2")])
    assert await store.deliver([delivery(account, "q2")]) == [REPEATED]
    assert (await store.snapshot(account, await inbox(store, account))).uids == [1, 2]


async def test_what_the_version_before_settles_counts_as_filed(store: MailStore, account: AccountRef) -> None:
    """It goes on calling the function that it knows, beside this one."""
    await store.deliver([delivery(account, "q1")])
    async with transaction(store._pool, account.tenant_id) as connection:
        told = await connection.fetch(
            "SELECT * FROM open_delivery_1($1, $2, $2, $3, $2, $4, $5)",
            UUID(account.tenant_id),
            [UUID(account.account_id)],
            ["INBOX"],
            ["q2"],
            ["a@b.test"],
        )
    assert [row["kind"] for row in told] == ["account", "mailbox", "delivery"]
    assert await store.deliver([delivery(account, "q2")]) == [REPEATED]


async def test_a_batch_may_mix_tenants_and_new_accounts(store: MailStore) -> None:
    accounts = [AccountRef(str(uuid4()), str(uuid4())) for _ in range(5)]
    assert set(await store.deliver([delivery(each, f"q{n}") for n in range(4) for each in accounts])) == {
        FILED
    }
    for each in accounts:
        snapshot = await store.snapshot(each, await inbox(store, each))
        assert snapshot.uids == [1, 2, 3, 4]


async def test_a_new_accounts_inbox_is_there_for_whoever_looks_while_it_is_made(store: MailStore) -> None:
    accounts = [AccountRef(str(uuid4()), str(uuid4())) for _ in range(60)]

    async def look(account: AccountRef) -> None:
        await inbox(store, account)
        assert len(await store.list_mailboxes(account)) == 6

    for each in accounts:
        await asyncio.gather(store.deliver([delivery(each, "q1")]), *(look(each) for _ in range(6)))


async def test_writers_side_by_side_keep_uids_ascending_and_counters_exact(
    store: MailStore, account: AccountRef
) -> None:
    mailbox_id = await inbox(store, account)
    seen: list[int] = []

    async def deliver(number: int) -> None:
        await store.deliver([delivery(account, f"w{number}-{n}") for n in range(5)])

    async def append() -> None:
        seen.extend(await store.append(account, mailbox_id, [new(flags=SEEN)]))

    async def flag() -> None:
        uids = (await store.snapshot(account, mailbox_id)).uids
        await store.store_flags(
            account, mailbox_id, uids, FlagChange(FlagAction.ADD, Flags(SystemFlag.DELETED))
        )

    async def expunge() -> None:
        await store.expunge(account, mailbox_id)

    await asyncio.gather(
        *(work() for n in range(6) for work in (lambda n=n: deliver(n), append, append, flag, expunge))
    )
    assert len(set(seen)) == 12
    await counters_are_exact(store, account)


async def test_changes_since_a_modseq_are_complete(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account)
    uids = await store.append(account, mailbox_id, [new() for _ in range(4)])
    before = (await store.snapshot(account, mailbox_id)).info.highest_modseq
    await store.store_flags(account, mailbox_id, [uids[0]], FlagChange(FlagAction.ADD, SEEN))
    await store.remove(account, mailbox_id, [uids[1]])
    [late] = await store.append(account, mailbox_id, [new()])
    changes = await store.changes_since(account, mailbox_id, before)
    assert [(entry.uid, entry.flags.system) for entry in changes.changed] == [
        (uids[0], SystemFlag.SEEN),
        (late, 0),
    ]
    assert changes.expunged == [uids[1]]
    assert (await store.changes_since(account, mailbox_id, changes.highest_modseq)).changed == []
    await store.create_mailbox(account, "Gone")
    gone = await store.get_mailbox(account, "Gone")
    assert gone is not None
    await store.delete_mailbox(account, "Gone")
    assert (await store.changes_since(account, gone.mailbox_id, 1)).gone


async def test_statements_are_planned_once(engines: Engines, account: AccountRef) -> None:
    """To plan again each time, as PostgreSQL would by itself, takes longer than to do it."""
    store = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda _: None, pool_size=1
    )
    mailbox_id = await inbox(store, account)
    uids = await store.append(account, mailbox_id, [new() for _ in range(4)])
    for uid in uids * 3:
        await store.store_flags(account, mailbox_id, [uid], FlagChange(FlagAction.ADD, SEEN))
        async for _ in store.fetch(account, mailbox_id, [uid], Columns.BODY):
            pass
    async with transaction(store._pool, account.tenant_id) as connection:
        found = await connection.fetch(
            "SELECT statement, custom_plans, generic_plans FROM pg_prepared_statements"
        )
    assert {row["custom_plans"] for row in found} == {0}
    assert max(row["generic_plans"] for row in found) >= len(uids) * 3
    await store.close()


async def test_a_new_message_never_comes_after_newer_ones(
    store: MailStore, account: AccountRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view appends what it hears of: a UID that comes after a higher one could not be numbered any more."""
    mailbox_id = await inbox(store, account)
    before = (await store.snapshot(account, mailbox_id)).info.highest_modseq
    first, second = await store.append(account, mailbox_id, [new(), new()])
    flag = FlagChange(FlagAction.ADD, SEEN)

    look = single.call

    async def slow(*question: Any) -> Any:
        """Something happens between the first and the second question."""
        found = await look(*question)
        await store.store_flags(account, mailbox_id, [first], flag)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(reading, "call", slow)
        changes = await store.changes_since(account, mailbox_id, before)
    assert [entry.uid for entry in changes.changed] == [first, second]
    again = await store.changes_since(account, mailbox_id, changes.highest_modseq)
    assert [entry.uid for entry in again.changed] == [first]


@pytest.mark.parametrize(
    ("action", "named", "expected"),
    [
        (
            FlagAction.ADD,
            Flags(SystemFlag.FLAGGED, frozenset({"$b"})),
            Flags(SystemFlag.SEEN | SystemFlag.FLAGGED, frozenset({"$a", "$b"})),
        ),
        (
            FlagAction.ADD,
            Flags(SystemFlag.FLAGGED),
            Flags(SystemFlag.SEEN | SystemFlag.FLAGGED, frozenset({"$a"})),
        ),
        (FlagAction.REMOVE, Flags(SystemFlag.SEEN, frozenset({"$a"})), Flags()),
        (FlagAction.REMOVE, Flags(SystemFlag.SEEN), Flags(SystemFlag(0), frozenset({"$a"}))),
        (FlagAction.REPLACE, Flags(SystemFlag.DRAFT), Flags(SystemFlag.DRAFT)),
    ],
)
async def test_flags_change_as_asked(
    store: MailStore, account: AccountRef, action: FlagAction, named: Flags, expected: Flags
) -> None:
    mailbox_id = await inbox(store, account)
    [uid] = await store.append(account, mailbox_id, [new(flags=Flags(SystemFlag.SEEN, frozenset({"$a"})))])
    [entry] = await store.store_flags(account, mailbox_id, [uid], FlagChange(action, named))
    assert entry.flags == expected
    [again] = await store.store_flags(account, mailbox_id, [uid], FlagChange(action, named))
    assert again.modseq == entry.modseq, "flags that stay as they were keep their MODSEQ"
    await counters_are_exact(store, account)


async def test_copy_and_move_keep_flags_dates_and_counters(store: MailStore, account: AccountRef) -> None:
    source = await inbox(store, account)
    target = (await store.create_mailbox(account, "Work/Deep")).mailbox_id
    uids = await store.append(account, source, [new(flags=SEEN), new()])
    copied = await store.copy(account, source, uids, target)
    assert [pair[0] for pair in copied.pairs] == uids
    moved = await store.move(account, source, uids, target)
    assert (await store.snapshot(account, source)).uids == []
    snapshot = await store.snapshot(account, target)
    assert snapshot.uids == [pair[1] for pair in (*copied.pairs, *moved.pairs)]
    assert snapshot.system_flags == [1, 0, 1, 0]
    await counters_are_exact(store, account)


async def test_mailboxes_are_made_renamed_and_deleted(store: MailStore, account: AccountRef) -> None:
    names = [info.name for info in await store.list_mailboxes(account)]
    assert names[0] == "INBOX"
    await store.create_mailbox(account, "a/b/c")
    with pytest.raises(MailboxExists):
        await store.create_mailbox(account, "a/b")
    with pytest.raises(MailboxHasInferiors):
        await store.delete_mailbox(account, "a")
    await store.rename_mailbox(account, "a", "z")
    names = [info.name for info in await store.list_mailboxes(account)]
    assert {"z", "z/b", "z/b/c"} <= set(names)
    assert "a" not in names
    await store.append(account, await inbox(store, account), [new()])
    await store.rename_mailbox(account, "INBOX", "Old")
    infos = {info.name: info for info in await store.list_mailboxes(account)}
    assert (infos["INBOX"].messages, infos["Old"].messages) == (0, 1)
    with pytest.raises(MailboxMissing):
        await store.delete_mailbox(account, "nothing")
    first = infos["Old"].uid_validity
    await store.delete_mailbox(account, "Old")
    assert (await store.create_mailbox(account, "Old")).uid_validity > first, (
        "a UIDVALIDITY is never used again"
    )


async def test_a_body_that_was_altered_is_found_out(
    store: MailStore, account: AccountRef, engines: Engines
) -> None:
    blobs = engines.seaweed.store()
    content = b"Subject: true\r\n\r\nhello\r\n"
    body = await store.put_body(account, content)
    mailbox_id = await inbox(store, account)
    message = new(content)
    [uid] = await store.append(
        account, mailbox_id, [NewMessage(body, b"X: y\r\n", message.facts, message.internal_date, Flags())]
    )
    [[stored]] = [part async for part in store.fetch(account, mailbox_id, [uid], Columns.BODY)]
    assert await store.read(stored, 0, 10_000) == b"X: y\r\n" + content
    assert await store.read(stored, 3, 8) == b"y\r\nSubje"
    while await store.pack():
        pass
    [[stored]] = [part async for part in store.fetch(account, mailbox_id, [uid], Columns.BODY)]
    assert stored.reference is not None
    key = stored.reference.object_key
    await blobs.put(key, ((await blobs.get(key)).replace(b"hello", b"hallo"),))
    with pytest.raises(BodyCorrupt):
        await store.read(stored, 0, 10_000)


async def test_no_tenant_and_the_wrong_tenant_see_no_rows(
    store: MailStore, account: AccountRef, engines: Engines
) -> None:
    await store.deliver([delivery(account, "wall")])
    mailbox_id = await inbox(store, account)
    await store.append(account, mailbox_id, [new(flags=Flags(SystemFlag.DELETED))])
    await store.expunge(account, mailbox_id)
    [body] = await store.put_bodies(account, [b"short"])
    [uid] = await store.append(account, mailbox_id, [replace(new(), body=body)])
    [[stored]] = [part async for part in store.fetch(account, mailbox_id, [uid], Columns.BODY)]
    await store.keep_texts(account, "english", [BodyText(stored.message_id, "SHORT")])
    await store.change_rights(account, mailbox_id, "anyone", lambda _: parse_rights("lrs"))
    seen = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
    await store.store_flags_as(
        account, mailbox_id, [uid], seen, 1 << 62, str(uuid4()), FlagLimits(SystemFlag(31), True)
    )
    for script in (b"keep;", b"stop;"):
        await store.scripts.put(account, "one", script, most=1)
    await store.tenant_scripts.put(account.tenant_id, "before", b"keep;", "operator")
    await store.scripts.remember(account, b"one", 60)
    await store.change_annotations(account, 0, {"/private/x": b"x"})
    await store.change_annotations_as(account, mailbox_id, str(uuid4()), {"/private/x": b"x"}, {})
    await store.need_mailbox_key(account, mailbox_id, account.account_id)
    connection = await asyncpg.connect(engines.dsn("store", "app"))
    try:
        for scope, expected in ((None, False), (str(uuid4()), False), (account.tenant_id, True)):
            async with connection.transaction():
                if scope is not None:
                    await connection.execute("SELECT set_config('posthouse.tenant', $1, true)", scope)
                for table in metadata.tables:
                    rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
                    assert (rows > 0) is expected, (table, scope)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("ALTER TABLE message DISABLE ROW LEVEL SECURITY")
    finally:
        await connection.close()


async def test_another_tenants_mailbox_looks_like_none(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account)
    stranger = AccountRef(str(uuid4()), account.account_id)
    with pytest.raises(MailboxMissing):
        await store.snapshot(stranger, mailbox_id)
    assert (await store.changes_since(stranger, mailbox_id, 0)).gone
    assert await store.get_mailbox(AccountRef(stranger.tenant_id, str(uuid4())), "Nothing") is None


async def test_each_change_is_told_after_its_commit(store: Store, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account)
    changes = store.changes
    changes.clear()
    [uid] = await store.append(account, mailbox_id, [new()])
    await store.store_flags(account, mailbox_id, [uid], FlagChange(FlagAction.ADD, SEEN))
    await store.store_flags(account, mailbox_id, [uid], FlagChange(FlagAction.ADD, SEEN))
    await store.remove(account, mailbox_id, [uid])
    told = [change.highest_modseq for change in changes]
    assert len(told) == 3, "a change of nothing is not told"
    assert told == sorted(told)
