"""What is moved or copied between accounts is sorted by who moves it: into Junk is spam, out of it is not."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from blobstore import BodyReference
from mailmodel import AccountRef, Flags
from mailmsg.facts import examine
from mailstore import MailStore, NewMessage, Side, Sorted, SortedAs

from tests.support.engines import Engines

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda _change: None, pool_size=2
    )
    yield opened
    await opened.close()


async def boxes(store: MailStore, account: AccountRef) -> dict[str, int]:
    return {each.name: each.mailbox_id for each in await store.list_mailboxes(account)}


async def test_who_moves_between_accounts_says_what_is_spam(store: MailStore) -> None:
    tenant, heard = str(uuid4()), list[Sorted]()
    store.on_sorted = heard.append
    team, own = AccountRef(tenant, str(uuid4())), AccountRef(tenant, str(uuid4()))
    theirs, mine = await boxes(store, team), await boxes(store, own)
    body = BodyReference(f"b/{uuid4()}", 0, len(CONTENT), hashlib.sha256(CONTENT).digest())
    new = NewMessage(body, b"", examine(CONTENT), datetime(2026, 11, 21, tzinfo=UTC), Flags())
    uids = await store.append(team, theirs["INBOX"], [new, new])

    def side(name: str) -> Side:
        return Side(team, theirs[name], own.account_id)

    plain = await store.copy_between(side("INBOX"), uids, Side(own, mine["INBOX"]))
    assert (len(plain.pairs), heard) == (2, [])
    copied = await store.copy_between(side("INBOX"), uids, Side(own, mine["Junk"]))
    spam = Sorted(own, mine["Junk"], tuple(uid for _, uid in copied.pairs), SortedAs.SPAM)
    assert heard == [spam]
    moved = await store.move_between(side("INBOX"), uids, side("Junk"))
    assert heard == [spam, Sorted(team, theirs["Junk"], tuple(uid for _, uid in moved.pairs), SortedAs.SPAM)]
    heard.clear()
    there = [uid for _, uid in moved.pairs]
    await store.copy_between(side("Junk"), there, Side(own, mine["Junk"]))
    await store.copy_between(side("Junk"), there, Side(own, mine["Trash"]))
    assert heard == []
    out = await store.move_between(side("Junk"), there, Side(own, mine["INBOX"]))
    assert heard == [Sorted(own, mine["INBOX"], tuple(uid for _, uid in out.pairs), SortedAs.HAM)]
