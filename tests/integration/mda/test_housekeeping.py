"""What nobody needs any more goes from S3, and nothing else: real PostgreSQL, real S3, a queue that says what it holds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from blobstore import BlobMissing, BlobStore, BodyReference, mail_key
from mailmodel import AccountRef, Flags
from mailmsg.facts import examine
from mailstore import Delivery, MailStore, NewMessage, emptying
from mda.edge.housekeeping import Housekeeping
from mda.ports import HoldingsUnavailable
from spool import Envelope, EnvelopeRecipient
from spool.record import head_of

from tests.support.engines import Engines
from tests.support.mda_world import envelope_of

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
LONG_AGO = datetime.now(UTC) - timedelta(days=31)


class Queue:
    """What the mta-queue says."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], bool] = {}
        self.is_away = False

    async def of(self, queue_ids: Sequence[str]) -> Mapping[tuple[str, str], bool]:
        if self.is_away:
            raise HoldingsUnavailable("away")
        return {key: waits for key, waits in self.held.items() if key[0] in queue_ids}


class House:
    """A store, and a tenant of the test's own."""

    def __init__(self, store: MailStore, blobs: BlobStore) -> None:
        self.store, self.blobs, self.queue = store, blobs, Queue()
        self.removed: list[AccountRef] = []
        self.settled: list[AccountRef] = []
        self.account = AccountRef(str(uuid4()), str(uuid4()))

    async def clean(self) -> None:
        housekeeping = Housekeeping(
            self.store,
            self.blobs,
            self.queue,
            self,
            asyncio.Event(),
            every=timedelta(hours=1),
            kept=timedelta(0),
        )
        await housekeeping.round(datetime.now(UTC) + timedelta(seconds=5))

    async def due(self) -> Sequence[AccountRef]:
        return [each for each in self.removed if each not in self.settled]

    async def settle(self, account: AccountRef) -> None:
        self.settled.append(account)

    def envelope(self, *addresses: str, arrived_at: datetime | None = None) -> Envelope:
        made = envelope_of(CONTENT, queue_id=f"01H{uuid4().hex[:23].upper()}")
        return replace(
            made,
            tenant_id=self.account.tenant_id,
            recipients=tuple(EnvelopeRecipient(each, each, None) for each in addresses),
            arrived_at=arrived_at or datetime.now(UTC),
        )

    async def put(self, *envelopes: Envelope) -> str:
        key = mail_key(self.account.tenant_id, uuid4().hex, datetime.now(UTC))
        await self.blobs.put(key, [part for each in envelopes for part in (head_of(each), CONTENT)])
        return key

    async def is_there(self, key: str) -> bool:
        try:
            await self.blobs.get(key)
        except BlobMissing:
            return False
        return True

    def new(self, key: str, offset: int = 0) -> NewMessage:
        body = BodyReference(key, offset, len(CONTENT), hashlib.sha256(CONTENT).digest())
        return NewMessage(body, b"", examine(CONTENT), datetime.now(UTC), Flags())

    async def deliver(self, envelope: Envelope, key: str) -> None:
        address = envelope.recipients[0].address
        await self.store.deliver([Delivery(self.account, envelope.queue_id, address, "INBOX", self.new(key))])

    async def empty_inbox(self) -> None:
        inbox = await self.store.get_mailbox(self.account, "INBOX")
        assert inbox is not None
        uids = (await self.store.snapshot(self.account, inbox.mailbox_id)).uids
        await self.store.remove(self.account, inbox.mailbox_id, uids)


@pytest.fixture
async def house(engines: Engines) -> AsyncIterator[House]:
    blobs = engines.seaweed.store()
    store = await MailStore.open(engines.dsn("store", "app"), blobs, lambda _change: None)
    yield House(store, blobs)
    await store.close()


async def test_mail_that_was_only_sent_goes_when_it_is_settled(house: House) -> None:
    sent, waiting, partly, unknown = (house.envelope("a@far.test", "b@far.test") for _ in range(4))
    keys = [await house.put(each) for each in (sent, waiting, partly, unknown)]
    for envelope, states in ((sent, (False, False)), (waiting, (False, True)), (partly, (False,))):
        for recipient, waits in zip(envelope.recipients, states, strict=False):
            house.queue.held[envelope.queue_id, recipient.address] = waits
    await house.clean()
    # What nobody has settled is what a respool puts back.
    assert [await house.is_there(key) for key in keys] == [False, True, True, True]


async def test_what_is_too_old_for_anybody_to_remember_goes_where_nobody_waits_for_it(house: House) -> None:
    forgotten, held = (house.envelope("a@far.test", arrived_at=LONG_AGO) for _ in range(2))
    keys = [await house.put(each) for each in (forgotten, held)]
    house.queue.held[held.queue_id, "a@far.test"] = True
    await house.clean()
    assert [await house.is_there(key) for key in keys] == [False, True]


async def test_what_a_mailbox_shows_stays_until_it_is_expunged(house: House) -> None:
    envelope = house.envelope("me@here.test")
    key = await house.put(envelope)
    await house.deliver(envelope, key)
    await house.clean()
    assert await house.is_there(key)
    await house.empty_inbox()
    await house.clean()
    assert not await house.is_there(key)


async def test_one_message_that_is_needed_keeps_the_others_of_its_object(house: House) -> None:
    mine, sent = house.envelope("me@here.test"), house.envelope("a@far.test")
    key = await house.put(mine, sent)
    await house.deliver(mine, key)
    await house.empty_inbox()
    house.queue.held[sent.queue_id, "a@far.test"] = True
    await house.clean()
    assert await house.is_there(key)
    house.queue.held[sent.queue_id, "a@far.test"] = False
    await house.clean()
    assert not await house.is_there(key)


async def test_while_the_queue_is_away_nothing_goes(house: House) -> None:
    envelope = house.envelope("me@here.test")
    key = await house.put(envelope)
    await house.deliver(envelope, key)
    await house.empty_inbox()
    house.queue.is_away = True
    with pytest.raises(HoldingsUnavailable):
        await house.clean()
    assert await house.is_there(key)


async def test_bodies_that_were_appended(house: House) -> None:
    inbox = await house.store.get_mailbox(house.account, "INBOX")
    assert inbox is not None
    large = b"Subject: x\r\n\r\n" + b"x" * 2_000_000
    shown, never = [await house.store.put_body(house.account, large) for _ in range(2)]
    message = replace(house.new(""), body=shown)
    await house.store.append(house.account, inbox.mailbox_id, [message])
    await house.clean()
    assert [await house.is_there(each.object_key) for each in (shown, never)] == [True, False]
    await house.empty_inbox()
    await house.clean()
    assert not await house.is_there(shown.object_key)


async def test_an_account_that_was_removed_leaves_nothing_and_nobody_else_loses_anything(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "AT_ONCE", 2)
    other = AccountRef(house.account.tenant_id, str(uuid4()))
    first, shared = house.envelope("me@here.test"), house.envelope("us@here.test")
    own_key, shared_key = await house.put(first), await house.put(shared)
    await house.deliver(first, own_key)
    for account in (house.account, other):
        await house.store.deliver(
            [Delivery(account, shared.queue_id, "us@here.test", "INBOX", house.new(shared_key))]
        )
    inbox = await house.store.get_mailbox(house.account, "INBOX")
    archive = await house.store.get_mailbox(house.account, "Archive")
    assert inbox is not None
    assert archive is not None
    # In two mailboxes at once, and more than go in one piece.
    await house.store.copy(house.account, inbox.mailbox_id, [1, 2], archive.mailbox_id)
    await house.store.scripts.put(house.account, "mine", b"keep;", most=1)
    house.removed = [house.account]
    await house.clean()
    assert house.settled == [house.account]
    assert await house.store.remove_account(house.account) == 0
    assert (await house.store.quota(house.account)).used_messages == 0
    assert await house.store.scripts.listing(house.account) == []
    assert not await house.is_there(own_key)
    assert await house.is_there(shared_key)
    assert (await house.store.quota(other)).used_messages == 1
    # A repetition of what it once got is no new mail.
    assert (first.queue_id, "me@here.test") in await house.store.settled([first.queue_id])
