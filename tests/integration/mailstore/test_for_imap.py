"""What imap's extensions need of the mail store, on real PostgreSQL."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from blobstore import BodyReference
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.thread_id import thread_id
from mailmsg.facts import examine
from mailstore import (
    AnnotationsFull,
    Columns,
    EntryCounts,
    EntryMissing,
    MailboxMissing,
    MailStore,
    NewMessage,
)

from tests.support.engines import Engines

SEEN = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
DELETED = FlagChange(FlagAction.ADD, Flags(SystemFlag.DELETED))
CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


def new() -> NewMessage:
    body = BodyReference(f"mail/none/{uuid4()}", 0, len(CONTENT), hashlib.sha256(CONTENT).digest())
    return NewMessage(body, b"", examine(CONTENT), datetime.now(UTC), Flags())


async def inbox(store: MailStore, account: AccountRef, messages: int) -> int:
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    await store.append(account, found.mailbox_id, [new() for _ in range(messages)])
    return found.mailbox_id


async def test_flags_change_only_where_nothing_changed_since(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account, 3)
    [changed] = await store.store_flags(account, mailbox_id, [2], SEEN)
    before = await store.snapshot(account, mailbox_id)
    outcome = await store.store_flags_unless_changed(
        account, mailbox_id, [1, 2, 3, 9], DELETED, changed.modseq - 1
    )
    assert [entry.uid for entry in outcome.entries] == [1, 3]
    assert outcome.modified == [2]
    after = await store.snapshot(account, mailbox_id)
    assert after.system_flags == [8, 1, 8]
    assert after.modseqs[1] == before.modseqs[1]
    assert after.info.highest_modseq == outcome.entries[0].modseq > changed.modseq
    # One that fails wholly changes nothing and tells nobody.
    outcome = await store.store_flags_unless_changed(account, mailbox_id, [1, 2, 3], SEEN, 0)
    assert (outcome.entries, outcome.modified) == ([], [1, 2, 3])
    assert (await store.snapshot(account, mailbox_id)).info.highest_modseq == after.info.highest_modseq


async def test_entries_are_counted(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account, 3)
    await store.snapshot(account, mailbox_id, claim_recent=True)
    await store.append(account, mailbox_id, [new()])
    await store.store_flags(account, mailbox_id, [1, 4], DELETED)
    archive = await store.get_mailbox(account, "Archive")
    assert archive is not None
    assert await store.count_entries(account, [mailbox_id, archive.mailbox_id, 10**9]) == {
        mailbox_id: EntryCounts(recent=1, deleted=2, deleted_octets=2 * len(CONTENT)),
        archive.mailbox_id: EntryCounts(recent=0, deleted=0, deleted_octets=0),
    }
    stranger = AccountRef(str(uuid4()), str(uuid4()))
    assert await store.count_entries(stranger, [mailbox_id]) == {}


async def test_one_message_in_place_of_another(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account, 2)
    sent = await store.get_mailbox(account, "Sent")
    assert sent is not None
    before = (await store.snapshot(account, mailbox_id)).info
    assert await store.replace(account, mailbox_id, 1, mailbox_id, new()) == 3
    after = await store.snapshot(account, mailbox_id)
    assert (after.uids, after.info.messages, after.info.size_octets) == ([2, 3], 2, before.size_octets)
    changes = await store.changes_since(account, mailbox_id, before.highest_modseq)
    assert ([entry.uid for entry in changes.changed], changes.expunged) == ([3], [1])
    with pytest.raises(EntryMissing):
        await store.replace(account, mailbox_id, 1, sent.mailbox_id, new())
    assert (await store.snapshot(account, sent.mailbox_id)).uids == []
    assert await store.replace(account, mailbox_id, 3, sent.mailbox_id, new()) == 1
    [[message]] = [part async for part in store.fetch(account, sent.mailbox_id, [1], Columns(0))]
    assert message.saved_at is not None
    assert abs((datetime.now(UTC) - message.saved_at).total_seconds()) < 60


async def test_inferiors(store: MailStore, account: AccountRef) -> None:
    await store.create_mailbox(account, "a_b/c")
    assert await store.has_inferiors(account, "a_b")
    assert not await store.has_inferiors(account, "a_b/c")
    assert not await store.has_inferiors(account, "a")


async def test_keys_are_of_one_user_and_one_mailbox(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account, 0)
    sent = await store.get_mailbox(account, "Sent")
    assert sent is not None
    holder, other = AccountRef(account.tenant_id, str(uuid4())), str(uuid4())
    assert await store.mailbox_key(account, mailbox_id, other) is None
    keys = [
        await store.need_mailbox_key(account, each, who)
        for each in (mailbox_id, sent.mailbox_id)
        for who in (holder.account_id, other)
    ]
    assert len({*keys}) == 4
    assert all(len(key) == 32 for key in keys)
    assert await store.need_mailbox_key(account, mailbox_id, other) == keys[1]
    assert await store.mailbox_key(account, mailbox_id, other) == keys[1]
    await store.renew_mailbox_key(account, mailbox_id, other)
    assert await store.mailbox_key(account, mailbox_id, other) not in keys
    assert await store.mailbox_key(account, mailbox_id, holder.account_id) == keys[0]
    await store.forget_mailbox_keys(holder)
    assert await store.mailbox_key(account, mailbox_id, holder.account_id) is None
    assert await store.mailbox_key(account, sent.mailbox_id, holder.account_id) is None
    assert await store.mailbox_key(account, sent.mailbox_id, other) == keys[3]
    # They go with the mailbox; and another tenant can neither have nor make one.
    await store.delete_mailbox(account, "Sent")
    assert await store.mailbox_key(account, sent.mailbox_id, other) is None
    stranger = AccountRef(str(uuid4()), account.account_id)
    assert await store.mailbox_key(stranger, mailbox_id, other) is None
    for whose, which in ((account, sent.mailbox_id), (stranger, mailbox_id)):
        with pytest.raises(MailboxMissing):
            await store.need_mailbox_key(whose, which, other)
        with pytest.raises(MailboxMissing):
            await store.renew_mailbox_key(whose, which, other)


async def test_annotations_of_a_reader(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account, 0)
    reader, other = AccountRef(account.tenant_id, str(uuid4())), str(uuid4())
    await store.change_annotations(account, mailbox_id, {"/private/a": b"owner's"})
    highest = (await store.snapshot(account, mailbox_id)).info.highest_modseq
    before = await store.annotation_digests(reader)
    await store.change_annotations_as(account, mailbox_id, reader.account_id, {"/private/a": b"1"}, {})
    await store.change_annotations_as(
        account, mailbox_id, reader.account_id, {"/private/a": None, "/private/b": b"\0"}, {}
    )
    await store.change_annotations_as(account, mailbox_id, other, {"/private/a": b"other's"}, {})
    assert await store.get_annotations_as(account, mailbox_id, reader.account_id) == {"/private/b": b"\0"}
    assert await store.get_annotations_as(account, mailbox_id, other) == {"/private/a": b"other's"}
    assert await store.get_annotations(account, mailbox_id) == {"/private/a": b"owner's"}
    assert (await store.snapshot(account, mailbox_id)).info.highest_modseq == highest
    assert before == {}
    assert list(await store.annotation_digests(reader)) == [(mailbox_id, "/private/b")]
    with pytest.raises(AnnotationsFull):
        await store.change_annotations_as(
            account,
            mailbox_id,
            reader.account_id,
            {f"/private/{n}": b"x" for n in range(100)},
            {"/shared/x": b"x"},
        )
    assert await store.get_annotations(account, mailbox_id) == {"/private/a": b"owner's"}
    await store.change_annotations_as(
        account, mailbox_id, reader.account_id, {"/private/b": b"2"}, {"/shared/x": b"x"}
    )
    assert await store.get_annotations(account, mailbox_id) == {"/private/a": b"owner's", "/shared/x": b"x"}
    assert (await store.snapshot(account, mailbox_id)).info.highest_modseq > highest
    assert len(await store.get_annotations_as(account, mailbox_id, reader.account_id)) == 1
    with pytest.raises(MailboxMissing):
        await store.change_annotations_as(account, 10**9, reader.account_id, {"/private/a": b"1"}, {})


async def test_annotations(store: MailStore, account: AccountRef) -> None:
    mailbox_id = await inbox(store, account, 1)
    await store.change_annotations(account, 0, {"/private/x": b"of the account"})
    before = (await store.snapshot(account, mailbox_id)).info.highest_modseq
    await store.change_annotations(account, mailbox_id, {"/private/a": b"1\0", "/private/b": b""})
    await store.change_annotations(account, mailbox_id, {"/private/a": None, "/private/c": b"3"})
    assert await store.get_annotations(account, mailbox_id) == {"/private/b": b"", "/private/c": b"3"}
    named = await store.annotations_named(account, ["/private/b", "/private/c", "/private/x", "/private/y"])
    assert named == {
        (0, "/private/x"): b"of the account",
        (mailbox_id, "/private/b"): b"",
        (mailbox_id, "/private/c"): b"3",
    }
    assert await store.get_annotations(account, 0) == {"/private/x": b"of the account"}
    assert sorted(await store.annotation_digests(account)) == [
        (0, "/private/x"),
        (mailbox_id, "/private/b"),
        (mailbox_id, "/private/c"),
    ]
    assert (await store.snapshot(account, mailbox_id)).info.highest_modseq > before
    with pytest.raises(AnnotationsFull):
        await store.change_annotations(account, mailbox_id, {f"/private/{n}": b"x" for n in range(99)})
    assert len(await store.get_annotations(account, mailbox_id)) == 2
    with pytest.raises(MailboxMissing):
        await store.change_annotations(account, 10**9, {"/private/a": b"1"})
    # They are copied with INBOX, and go with a mailbox.
    await store.rename_mailbox(account, "INBOX", "Old")
    old = await store.get_mailbox(account, "Old")
    assert old is not None
    assert len(await store.get_annotations(account, old.mailbox_id)) == 2
    await store.delete_mailbox(account, "Old")
    assert await store.get_annotations(account, old.mailbox_id) == {}
    stranger = AccountRef(str(uuid4()), str(uuid4()))
    await store.list_mailboxes(stranger)
    assert await store.get_annotations(AccountRef(stranger.tenant_id, account.account_id), 0) == {}


async def test_bodies_that_come_together_share_an_object(store: MailStore, account: AccountRef) -> None:
    contents = [b"%d\r\n" % n * n for n in (1, 5, 0, 200_000, 2, 500_000, 600_000, 3)]
    references = await store.put_bodies(account, contents)
    keys = [reference.object_key for reference in references]
    assert len(set(keys[:5])) == 1
    assert len(set(keys)) == 4
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    now = datetime.now(UTC)
    messages = [
        NewMessage(reference, b"", examine(content), now, Flags())
        for reference, content in zip(references, contents, strict=True)
    ]
    uids = await store.append(account, found.mailbox_id, messages)
    [stored] = [part async for part in store.fetch(account, found.mailbox_id, uids, Columns.BODY)]
    for message, content in zip(stored, contents, strict=True):
        assert await store.read(message, 0, len(content) + 10) == content


async def test_threads_are_kept_and_worked_out_where_a_version_before_filed(
    store: MailStore, account: AccountRef, engines: Engines
) -> None:
    contents = (b"Message-ID: <a@x>\r\n\r\n", b"References: <a@x> <b@x>\r\n\r\n", b"Subject: none\r\n\r\n")
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    await store.append(account, found.mailbox_id, [replace(new(), facts=examine(c)) for c in contents])

    async def threads() -> list[bytes]:
        pieces = [p async for p in store.fetch(account, found.mailbox_id, [1, 2, 3], Columns.THREAD)]
        return [message.thread_id for piece in pieces for message in piece]

    kept = await threads()
    assert kept[0] == kept[1] == thread_id(contents[0], b"")
    assert len(set(kept)) == 2
    connection = await asyncpg.connect(engines.dsn("store", "owner"))
    try:
        await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
        where = "FROM message WHERE account_id = $1 AND thread_id IS NOT NULL"
        assert await connection.fetchval(f"SELECT count(*) {where}", UUID(account.account_id)) == 3
        await connection.execute(
            "UPDATE message SET thread_id = NULL WHERE account_id = $1", UUID(account.account_id)
        )
    finally:
        await connection.close()
    assert await threads() == kept


async def test_many_messages_come_in_pieces_the_first_of_them_soon(
    store: MailStore, account: AccountRef
) -> None:
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    flags = Flags(SystemFlag.SEEN, frozenset({"$a"}))
    for start in range(0, 1200, 400):
        await store.append(
            account, found.mailbox_id, [replace(new(), flags=flags) for _ in range(start, start + 400)]
        )
    pieces = [part async for part in store.fetch(account, found.mailbox_id, range(1, 1300), Columns.BODY)]
    assert [len(part) for part in pieces] == [100, 500, 500, 100]
    messages = [message for part in pieces for message in part]
    assert [message.uid for message in messages] == list(range(1, 1201))
    assert [part async for part in store.fetch(account, found.mailbox_id, [], Columns.BODY)] == []
    # By position the same comes out as by name.
    [others] = [
        part
        async for part in store.fetch(account, found.mailbox_id, range(1, 101), Columns.BODY | Columns.SENT)
    ]
    assert [replace(message, sent_at=None) for message in others] == messages[:100]
    assert messages[0].flags == flags
    assert messages[0].reference is not None
