"""Mailboxes of others on real PostgreSQL: rights, each reader's own \\Seen, messages between accounts."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from blobstore import BodyReference
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.quota import QuotaLimits
from mailmodel.rights import ALL_RIGHTS, identifiers, parse_rights
from mailmsg.facts import examine
from mailstore import (
    FlagLimits,
    MailboxChange,
    MailStore,
    NewMessage,
    QuotaExceeded,
    Side,
    emptying,
    errors,
    sharing,
)

from tests.support.engines import Engines

SEEN, FLAGGED, DELETED = SystemFlag.SEEN, SystemFlag.FLAGGED, SystemFlag.DELETED
EVERYTHING = FlagLimits(SystemFlag(31), True)
CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def changes() -> list[MailboxChange]:
    return []


@pytest.fixture
def limits() -> dict[str, QuotaLimits]:
    return {}


@pytest.fixture
async def store(
    engines: Engines, changes: list[MailboxChange], limits: dict[str, QuotaLimits]
) -> AsyncIterator[MailStore]:
    async def ask(_accounts: object) -> dict[str, QuotaLimits]:
        return limits

    opened = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), changes.append, pool_size=4, limits=ask
    )
    yield opened
    await opened.close()


class Pair:
    """An owner and a reader of one tenant."""

    def __init__(self) -> None:
        self.tenant = str(uuid4())
        self.owner = AccountRef(self.tenant, str(uuid4()))
        self.reader = AccountRef(self.tenant, str(uuid4()))

    @property
    def who(self) -> list[str]:
        return identifiers(self.reader.account_id, ["team@a.test"])


@pytest.fixture
def pair() -> Pair:
    return Pair()


def new(flags: SystemFlag = SystemFlag(0), *keywords: str) -> NewMessage:
    return NewMessage(
        BodyReference(f"mail/none/{uuid4()}", 0, len(CONTENT), hashlib.sha256(CONTENT).digest()),
        b"",
        examine(CONTENT),
        datetime.now(UTC),
        Flags(flags, frozenset(keywords)),
    )


async def box(store: MailStore, account: AccountRef, name: str = "INBOX") -> int:
    found = await store.get_mailbox(account, name)
    assert found is not None
    return found.mailbox_id


async def grant(store: MailStore, owner: AccountRef, mailbox_id: int, identifier: str, letters: str) -> None:
    await store.change_rights(owner, mailbox_id, identifier, lambda _: parse_rights(letters))


async def counters_are_exact(store: MailStore, *accounts: AccountRef) -> None:
    for account in accounts:
        for info in await store.list_mailboxes(account):
            found = await store.snapshot(account, info.mailbox_id)
            assert info.messages == len(found.uids)
            assert info.unseen == sum(not flags & SEEN for flags in found.system_flags)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({}, ""),
        ({"anyone": "lr"}, "lr"),
        ({"authenticated": "l", "$team@a.test": "rs"}, "lrs"),
        ({"$team@a.test": "lrswi", "-anyone": "w"}, "lrsi"),
        ({"$other@a.test": "lr"}, ""),
        ({"anyone": "lr", "-anyone": "lr"}, ""),
    ],
)
async def test_what_somebody_may_is_the_sum_less_what_is_taken(
    store: MailStore, pair: Pair, entries: dict[str, str], expected: str
) -> None:
    inbox = await box(store, pair.owner)
    for identifier, letters in entries.items():
        await grant(store, pair.owner, inbox, identifier, letters)
    found = await store.get_shared(pair.owner, "inbox", pair.reader, pair.who)
    assert (found.rights if found is not None else frozenset()) == frozenset(expected)
    _, visible = await store.list_visible(pair.reader, pair.who)
    assert [each.rights for each in visible] == ([frozenset(expected)] if expected else [])


async def test_another_tenant_sees_nothing_whatever_the_list_says(store: MailStore, pair: Pair) -> None:
    inbox = await box(store, pair.owner)
    await grant(store, pair.owner, inbox, "anyone", "lrswipkxtea")
    stranger = AccountRef(str(uuid4()), str(uuid4()))
    who = identifiers(stranger.account_id, [])
    assert await store.get_shared(pair.owner, "INBOX", stranger, who) is None
    assert (await store.list_visible(stranger, who))[1] == []
    # With the reader's id known and the owner's tenant claimed for the mailbox, the walls still hold.
    assert await store.get_shared_by_id(pair.owner, inbox, stranger, who) is None


async def test_a_new_mailbox_has_the_rights_of_the_one_above_and_a_deleted_one_has_none(
    store: MailStore, pair: Pair
) -> None:
    await store.create_mailbox(pair.owner, "Work")
    await grant(store, pair.owner, await box(store, pair.owner, "Work"), "anyone", "lr")
    await store.create_mailbox(pair.owner, "Work/a/b")
    deep = await box(store, pair.owner, "Work/a/b")
    assert await store.rights(pair.owner, deep) == {"anyone": "lr"}
    await store.rename_mailbox(pair.owner, "Work/a/b", "Elsewhere")
    assert await store.rights(pair.owner, deep) == {"anyone": "lr"}
    await store.delete_mailbox(pair.owner, "Elsewhere")
    await store.create_mailbox(pair.owner, "Elsewhere")
    assert await store.rights(pair.owner, await box(store, pair.owner, "Elsewhere")) == {}


async def test_the_list_is_bounded(store: MailStore, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_ENTRIES", 2)
    inbox = await box(store, pair.owner)
    for name in ("a", "b", "a"):
        await grant(store, pair.owner, inbox, name, "l")
    with pytest.raises(errors.RightsFull):
        await grant(store, pair.owner, inbox, "c", "l")
    await grant(store, pair.owner, inbox, "a", "")
    assert await store.rights(pair.owner, inbox) == {"b": "l"}


async def test_each_reader_has_seen_what_he_has_seen(store: MailStore, pair: Pair) -> None:
    inbox = await box(store, pair.owner)
    uids = await store.append(pair.owner, inbox, [new(SEEN), new(), new()])
    await grant(store, pair.owner, inbox, "anyone", "lrsw")
    reader, other = pair.reader.account_id, str(uuid4())
    before = await store.snapshot_as(pair.owner, inbox, reader)
    assert before.system_flags == [0, 0, 0]
    assert before.info.unseen == 3
    add = FlagChange(FlagAction.ADD, Flags(SEEN | FLAGGED))
    outcome = await store.store_flags_as(pair.owner, inbox, uids[1:2], add, 1 << 62, reader, EVERYTHING)
    assert [entry.flags.system for entry in outcome.entries] == [SEEN | FLAGGED]
    # He is told (all his sessions); the others are told of the other flag alone.
    mine = await store.changes_as(pair.owner, inbox, before.info.highest_modseq, reader)
    assert [(entry.uid, entry.flags.system) for entry in mine.changed] == [(uids[1], SEEN | FLAGGED)]
    theirs = await store.changes_as(pair.owner, inbox, before.info.highest_modseq, other)
    assert [(entry.uid, entry.flags.system) for entry in theirs.changed] == [(uids[1], FLAGGED)]
    own = await store.snapshot(pair.owner, inbox)
    assert own.system_flags == [SEEN, FLAGGED, 0]
    shared = await store.get_shared(pair.owner, "INBOX", pair.reader, pair.who)
    assert shared is not None
    assert shared.info.unseen == 2
    # His alone: the owner hears of nothing, whoever asks him finds no new MODSEQ on the message.
    modseq = own.info.highest_modseq
    seen = FlagChange(FlagAction.REMOVE, Flags(SEEN))
    await store.store_flags_as(pair.owner, inbox, uids[1:2], seen, 1 << 62, reader, EVERYTHING)
    assert (await store.changes_since(pair.owner, inbox, modseq)).changed == []
    assert [e.flags.system for e in (await store.changes_as(pair.owner, inbox, modseq, reader)).changed] == [
        FLAGGED
    ]
    await counters_are_exact(store, pair.owner)


async def test_a_change_is_refused_to_one_who_has_not_heard_of_the_one_before(
    store: MailStore, pair: Pair
) -> None:
    inbox = await box(store, pair.owner)
    uids = await store.append(pair.owner, inbox, [new()])
    reader = pair.reader.account_id
    known = (await store.snapshot_as(pair.owner, inbox, reader)).modseqs[0]
    add = FlagChange(FlagAction.ADD, Flags(SEEN))
    await store.store_flags_as(pair.owner, inbox, uids, add, known, reader, EVERYTHING)
    remove = FlagChange(FlagAction.REMOVE, Flags(SEEN))
    outcome = await store.store_flags_as(pair.owner, inbox, uids, remove, known, reader, EVERYTHING)
    assert (outcome.entries, outcome.modified) == ([], uids)


@pytest.mark.parametrize(
    ("system", "keywords", "expected"),
    [
        (SEEN, False, (SEEN | FLAGGED | DELETED, {"old"})),
        (DELETED, False, (FLAGGED, {"old"})),
        (SystemFlag(31) & ~SEEN & ~DELETED, True, (SystemFlag.ANSWERED | DELETED, {"new"})),
    ],
)
async def test_only_flags_that_may_be_changed_change(
    store: MailStore, pair: Pair, system: SystemFlag, keywords: bool, expected: tuple[SystemFlag, set[str]]
) -> None:
    inbox = await box(store, pair.owner)
    uids = await store.append(pair.owner, inbox, [new(FLAGGED | DELETED, "old")])
    replace = FlagChange(FlagAction.REPLACE, Flags(SEEN | SystemFlag.ANSWERED, frozenset({"new"})))
    outcome = await store.store_flags_as(
        pair.owner, inbox, uids, replace, 1 << 62, pair.reader.account_id, FlagLimits(system, keywords)
    )
    [entry] = outcome.entries
    assert (entry.flags.system, set(entry.flags.keywords)) == expected


async def test_messages_go_between_accounts_with_the_flags_that_may_be_set_there(
    store: MailStore, pair: Pair, changes: list[MailboxChange]
) -> None:
    inbox, mine = await box(store, pair.owner), await box(store, pair.reader)
    uids = await store.append(pair.owner, inbox, [new(SEEN | DELETED, "k"), new()])
    changes.clear()
    reader = pair.reader.account_id
    source = Side(pair.owner, inbox, reader)
    result = await store.copy_between(source, uids, Side(pair.reader, mine))
    # The owner has seen the first one, the reader has not.
    assert (await store.snapshot(pair.reader, mine)).system_flags == [DELETED, 0]
    assert [source for source, _ in result.pairs] == uids
    assert [change.account for change in changes] == [pair.reader]
    # And back, where he may set \Seen only; there it is his own.
    back = Side(pair.owner, inbox, reader, FlagLimits(SEEN, False))
    add = FlagChange(FlagAction.ADD, Flags(SEEN))
    await store.store_flags(pair.reader, mine, [result.pairs[0][1]], add)
    moved = await store.move_between(Side(pair.reader, mine), [uid for _, uid in result.pairs], back)
    assert (await store.snapshot(pair.owner, inbox)).system_flags == [SEEN | DELETED, 0, 0, 0]
    assert (await store.snapshot_as(pair.owner, inbox, reader)).system_flags == [DELETED, 0, SEEN, 0]
    assert (await store.snapshot(pair.reader, mine)).uids == []
    assert len(moved.pairs) == 2
    [uid] = await store.append_to(back, [new(SEEN | FLAGGED)])
    snapshot = await store.snapshot_as(pair.owner, inbox, reader)
    assert (snapshot.uids[-1], snapshot.system_flags[-1]) == (uid, SEEN)
    replaced = await store.replace_between(source, uid, Side(pair.reader, mine), new(FLAGGED))
    assert (await store.snapshot(pair.reader, mine)).uids == [replaced]
    assert uid not in (await store.snapshot(pair.owner, inbox)).uids
    await counters_are_exact(store, pair.owner, pair.reader)


async def test_what_is_expunged_leaves_nothing_of_its_readers(store: MailStore, pair: Pair) -> None:
    inbox = await box(store, pair.owner)
    uids = await store.append(pair.owner, inbox, [new(), new()])
    reader = pair.reader.account_id
    add = FlagChange(FlagAction.ADD, Flags(SEEN | DELETED))
    await store.store_flags_as(pair.owner, inbox, uids[:1], add, 1 << 62, reader, EVERYTHING)
    await grant(store, pair.owner, inbox, "anyone", "lr")
    await store.expunge(pair.owner, inbox)
    found = await store.get_shared(pair.owner, "INBOX", pair.reader, pair.who)
    assert found is not None
    assert (found.info.messages, found.info.unseen) == (1, 1)


async def test_a_reader_who_is_removed_leaves_nothing_with_others(
    store: MailStore, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "AT_ONCE", 2)
    reader, other, second = pair.reader.account_id, str(uuid4()), AccountRef(pair.tenant, str(uuid4()))
    add = FlagChange(FlagAction.ADD, Flags(SEEN))
    boxes = {owner: await box(store, owner) for owner in (pair.owner, second)}
    for owner, inbox in boxes.items():
        uids = await store.append(owner, inbox, [new() for _ in range(5)])
        await grant(store, owner, inbox, "anyone", "lrs")
        await grant(store, owner, inbox, reader, "w")
        await grant(store, owner, inbox, f"-{reader}", "e")
        await grant(store, owner, inbox, other, "t")
        for who in (reader, other):
            await store.store_flags_as(owner, inbox, uids, add, 1 << 62, who, EVERYTHING)
            await store.change_annotations_as(owner, inbox, who, {"/private/note": who.encode()}, {})
            await store.need_mailbox_key(owner, inbox, who)
    # He had something of his own too, and nothing else in one of the mailboxes than what he had seen.
    await store.append(pair.reader, await box(store, pair.reader), [new()])
    for gone in (reader, f"-{reader}"):
        await store.change_rights(second, boxes[second], gone, lambda _: frozenset())
    assert await store.remove_account(pair.reader) == 1
    for owner, inbox in boxes.items():
        assert await store.rights(owner, inbox) == {"anyone": "lrs", other: "t"}
        assert (await store.snapshot_as(owner, inbox, reader)).info.unseen == 5
        assert (await store.snapshot_as(owner, inbox, other)).info.unseen == 0
        assert (await store.snapshot(owner, inbox)).info.messages == 5
        assert await store.get_annotations_as(owner, inbox, reader) == {}
        assert await store.get_annotations_as(owner, inbox, other) == {"/private/note": other.encode()}
        assert await store.mailbox_key(owner, inbox, reader) is None
        assert await store.mailbox_key(owner, inbox, other) is not None
        await counters_are_exact(store, owner)
    assert await store.remove_account(pair.reader) == 0


async def test_the_owner_pays_for_what_others_put_there(
    store: MailStore, pair: Pair, limits: dict[str, QuotaLimits]
) -> None:
    inbox, mine = await box(store, pair.owner), await box(store, pair.reader)
    limits[pair.owner.account_id] = QuotaLimits(messages=1)
    target = Side(pair.owner, inbox, pair.reader.account_id, EVERYTHING)
    uids = await store.append(pair.reader, mine, [new(), new()])
    await store.copy_between(Side(pair.reader, mine), uids[:1], target)
    for attempt in (store.copy_between, store.move_between):
        with pytest.raises(QuotaExceeded):
            await attempt(Side(pair.reader, mine), uids, target)
    with pytest.raises(QuotaExceeded):
        await store.append_to(target, [new()])
    with pytest.raises(QuotaExceeded):
        await store.replace_between(Side(pair.reader, mine), uids[0], target, new())
    assert (await store.snapshot(pair.reader, mine)).uids == uids
    await counters_are_exact(store, pair.owner, pair.reader)


def test_old_letters_are_understood_and_shown() -> None:
    from mailmodel.rights import changed, shown_form

    assert parse_rights("cd") == frozenset("kxte")
    assert shown_form(frozenset("lrt")) == "lrtd"
    assert shown_form(ALL_RIGHTS) == "lrswipkxteacd"
    assert changed(frozenset("lr"), "+w") == frozenset("lrw")
    assert changed(frozenset("lr"), "-r") == frozenset("l")
    with pytest.raises(ValueError, match="'q'"):
        changed(frozenset(), "+q")
