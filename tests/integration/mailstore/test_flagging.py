"""STORE on the real store against what flags are: one message or many, conditional or not, whatever went before."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from mailmodel import AccountRef, Entry, FlagAction, FlagChange, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import MailboxChange, MailboxMissing, MailStore, NewMessage

from tests.support.engines import Engines

SEED = 20261121
MESSAGES = 12
STEPS = 150
WORDS = ("work", "Work", "$Junk", "later", "äö", "a", "B")
CONTENT = b"Subject: x\r\n\r\nx\r\n"


class Store(MailStore):
    """With what it has told."""

    changes: list[MailboxChange]


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[Store]:
    changes: list[MailboxChange] = []
    opened = await Store.open(engines.dsn("store", "app"), engines.seaweed.store(), changes.append)
    assert isinstance(opened, Store)
    opened.changes = changes
    yield opened
    await opened.close()


async def filled(store: MailStore, account: AccountRef) -> int:
    bodies = await store.put_bodies(account, [CONTENT] * MESSAGES)
    new = [NewMessage(body, b"", examine(CONTENT), datetime.now(UTC), Flags()) for body in bodies]
    return (await store.append_named(account, "INBOX", new)).mailbox_id


def change_of(chance: random.Random) -> FlagChange:
    system = SystemFlag(chance.randrange(32) if chance.random() < 0.8 else 0)
    words = frozenset(chance.sample(WORDS, k=2)) if chance.random() < 0.3 else frozenset()
    named = {word.lower(): word for word in sorted(words)}
    return FlagChange(chance.choice(list(FlagAction)), Flags(system, frozenset(named.values())))


async def test_many_changes_of_one_and_of_many(store: Store) -> None:
    account = AccountRef(str(uuid4()), str(uuid4()))
    mailbox_id = await filled(store, account)
    chance = random.Random(SEED)
    snapshot = await store.snapshot(account, mailbox_id)
    known = {entry.uid: entry for entry in snapshot.entries}
    highest = snapshot.info.highest_modseq
    store.changes.clear()
    told = []
    for _ in range(STEPS):
        # One is most often asked for, and some that are not there.
        uids = chance.sample(range(1, MESSAGES + 3), k=chance.choice((1, 1, 1, 2, 5, MESSAGES)))
        change = change_of(chance)
        unchanged_since = highest - chance.randrange(6) if chance.random() < 0.4 else 1 << 62
        outcome = await store.store_flags_unless_changed(account, mailbox_id, uids, change, unchanged_since)
        meant = [known[uid] for uid in sorted(uids) if uid in known]
        passed = [entry for entry in meant if entry.modseq <= unchanged_since]
        after = {entry.uid: change.applied_to(entry.flags) for entry in passed}
        altered = {entry.uid for entry in passed if after[entry.uid] != entry.flags}
        assert outcome.modified == [entry.uid for entry in meant if entry.modseq > unchanged_since]
        assert outcome.modseq_before == highest
        assert (outcome.modseq_after > highest) is bool(altered)
        expected = [
            Entry(e.uid, outcome.modseq_after if e.uid in altered else e.modseq, after[e.uid]) for e in passed
        ]
        assert outcome.entries == expected
        known.update({entry.uid: entry for entry in expected})
        highest = outcome.modseq_after
        if altered:
            told.append(MailboxChange(account, mailbox_id, highest))
    assert store.changes == told
    snapshot = await store.snapshot(account, mailbox_id)
    assert {entry.uid: entry for entry in snapshot.entries} == known
    assert snapshot.info.highest_modseq == highest
    assert snapshot.info.unseen == sum(not entry.flags.system & SystemFlag.SEEN for entry in known.values())


async def test_a_mailbox_that_is_not_there_or_another_tenants(store: MailStore) -> None:
    account = AccountRef(str(uuid4()), str(uuid4()))
    mailbox_id = await filled(store, account)
    change = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
    for owner, number in (
        (account, mailbox_id + 1_000_000),
        (AccountRef(str(uuid4()), account.account_id), mailbox_id),
        (AccountRef(account.tenant_id, str(uuid4())), mailbox_id),
    ):
        for uids in ([1], [1, 2], []):
            with pytest.raises(MailboxMissing):
                await store.store_flags(owner, number, uids, change)
    assert (await store.snapshot(account, mailbox_id)).info.unseen == MESSAGES
