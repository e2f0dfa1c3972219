"""A process killed after it has settled a message and before the bus knows: who was refused is not told of as if he had it.

The real store; the gate and the directory are here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast
from uuid import uuid4

import pytest
from blobstore import BodyReference
from directoryclient import Disposition, Resolution
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef, QuotaLimits
from mailmsg.facts import examine
from mailproto.smtp.dsn_request import Notify, RecipientRequest
from mailproto.smtp.wishes import ByMode, DeliverBy, Relayed, Wishes
from mailstore import MailStore
from mda.edge.filing import Filing
from mda.edge.outgoing import Outgoing
from mda.edge.placing import Placing
from mda.edge.receipts import Receipts
from mda.edge.reporting import Reporting
from mda.edge.running import Running
from mda.edge.sealing import Sealing
from mda.edge.sorting import Sorting
from spool import Envelope, Letter
from spool.codec import encode, facts_to_wire

from tests.support.engines import Engines
from tests.unit.mda.test_receipts import CONTENT, envelope_of

EVERYTHING = RecipientRequest(Notify.SUCCESS | Notify.FAILURE)
REJECT = b'require "ereject"; ereject "No.";'
COPY = b'require ["fileinto", "copy"]; fileinto :copy "Archive";'
OTHERS = ["refused", "copied and refused", "over quota", "key unusable"]


class Killed(BaseException):
    """Nothing catches it."""


class World:
    """The gate, a directory, and the bus, which hands out one message until it is acknowledged."""

    deliveries = 0
    is_killed = True

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.letters: list[Letter] = []
        self.events: list[str] = []
        self.limits: dict[str, QuotaLimits] = {}
        self.keys: dict[str, str] = {}
        self.payload = b""

    async def ask(self, accounts: Sequence[AccountRef]) -> Mapping[str, QuotaLimits]:
        return {each.account_id: self.limits.get(each.account_id, QuotaLimits()) for each in accounts}

    async def of_account(self, account_id: str) -> AccountSettings:
        return AccountSettings(encryption_key=self.keys.get(account_id, ""))

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ()) for _ in addresses]

    async def accept(self, letter: Letter) -> None:
        self.letters.append(letter)

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence["World"]:
        self.deliveries += 1
        return [self]

    async def keep_working(self) -> None:
        pass

    async def acknowledge(self) -> None:
        if self.is_killed:
            raise Killed
        self.draining.set()

    async def process(self, store: MailStore, blobs: Any) -> None:
        """A process, until it is killed or has nothing more to do."""
        anything = cast(Any, self)
        receipts = Receipts("mail.test", anything, anything)
        reporting = Reporting(
            lambda _tenant, payload: self.events.extend(
                f"{each['type']} {each['recipient']}" for each in json.loads(payload)["events"]
            ),
            self.draining,
        )
        running = Running(store, blobs, anything)
        outgoing = Outgoing("mail.test", anything, anything)
        filing = Filing(
            *(anything, store, anything, receipts, self.draining),
            batch_messages=8,
            retry_seconds=0.0,
            poison_tries=3,
            sorting=Sorting(store, running, outgoing, Placing(store, running), receipts),
            sealing=Sealing(self, blobs, store),
            reporting=reporting,
        )
        try:
            await filing.run()
        finally:
            reporting.flush()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def store(engines: Engines, world: World) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(
        engines.dsn("store", "app"), engines.seaweed.store(), lambda _change: None, limits=world.ask
    )
    yield opened
    await opened.close()


async def refusing(world: World, store: MailStore, fates: Sequence[str]) -> Envelope:
    """To a recipient for each fate."""
    envelope = envelope_of(*[EVERYTHING for _ in fates])
    envelope = replace(
        envelope,
        tenant_id=str(uuid4()),
        recipients=tuple(replace(each, account_id=str(uuid4())) for each in envelope.recipients),
    )
    if "copied and refused" in fates:
        await store.tenant_scripts.put(envelope.tenant_id, "before", COPY, "admin")
    for recipient, fate in zip(envelope.recipients, fates, strict=True):
        account = AccountRef(envelope.tenant_id, recipient.account_id or "")
        if fate.endswith("refused"):
            await store.scripts.put(account, "main", REJECT, most=1)
            await store.scripts.activate(account, "main")
        elif fate == "over quota":
            world.limits[account.account_id] = QuotaLimits(octets=1)
        elif fate == "key unusable":
            world.keys[account.account_id] = "no key at all"
    return envelope


async def killed_and_repeated(
    world: World, store: MailStore, engines: Engines, envelope: Envelope
) -> tuple[list[Letter], list[Letter]]:
    """What was told before the kill, and what after it."""
    blobs = engines.seaweed.store()
    key = f"mail/{uuid4().hex}"
    await blobs.put(key, [CONTENT])
    body = BodyReference(key, 0, len(CONTENT), sha256(CONTENT).digest())
    world.payload = encode(envelope, envelope.recipients, body, facts_to_wire(examine(CONTENT)))
    with pytest.raises(Killed):
        await world.process(store, blobs)
    before, world.is_killed = list(world.letters), False
    await world.process(store, blobs)
    assert world.deliveries == 2
    return before, world.letters[len(before) :]


def told(letters: Sequence[Letter]) -> list[tuple[bytes, int]]:
    """What the notices say, and of how many."""
    return sorted(
        (action, letter.content.count(b"Final-Recipient"))
        for letter in letters
        for action in (b"delivered", b"failed")
        if b"Action: " + action in letter.content
    )


@pytest.mark.parametrize("fate", OTHERS)
async def test_of_who_was_refused_nothing_more_is_told(
    world: World, store: MailStore, engines: Engines, fate: str
) -> None:
    envelope = await refusing(world, store, [fate])
    before, after = await killed_and_repeated(world, store, engines, envelope)
    assert told(before) == [(b"failed", 1)]
    assert after == []


async def test_who_has_it_is_told_of_under_the_same_name_and_nobody_else(
    world: World, store: MailStore, engines: Engines
) -> None:
    envelope = await refusing(world, store, ["filed", "refused", "over quota", "key unusable"])
    before, after = await killed_and_repeated(world, store, engines, envelope)
    # What scripts refuse is told by itself.
    assert told(before) == [(b"delivered", 1), (b"failed", 1), (b"failed", 2)]
    assert told(after) == [(b"delivered", 1)]
    assert b"alias0@a.test" in after[0].content
    assert after[0].queue_id in {each.queue_id for each in before}
    assert len(world.events) == len(set(world.events))
    for number, recipient in enumerate(envelope.recipients):
        account = AccountRef(envelope.tenant_id, recipient.account_id or "")
        found = await store.get_mailbox(account, "INBOX")
        assert found is not None
        assert found.messages == (number == 0)


async def test_what_came_too_late_is_not_delivered_the_second_time(
    world: World, store: MailStore, engines: Engines
) -> None:
    envelope = await refusing(world, store, ["late"])
    deliver_by = DeliverBy(datetime.now(UTC) - timedelta(minutes=1), ByMode.RETURN, Relayed.UNTOLD)
    envelope = replace(envelope, wishes=Wishes(deliver_by=deliver_by))
    before, after = await killed_and_repeated(world, store, engines, envelope)
    assert told(before) == [(b"failed", 1)]
    assert after == []
