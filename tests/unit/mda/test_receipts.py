"""NOTIFY=SUCCESS at the mailbox (RFC 3461 §5.2.3): told after the commit, told again rather than not at all."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from blobstore import BodyReference
from directoryclient import Disposition, Resolution, Unavailable
from mailmsg.facts import examine
from mailproto.smtp.dsn_request import MessageRequest, Notify, RecipientRequest
from mailstore import Delivery, Outcome
from mda.core.told import notice_queue_id, who_asked
from mda.edge.filing import Filing
from mda.edge.receipts import Receipts
from spool import Envelope, EnvelopeRecipient, Letter, OwnCopies, Source
from spool.codec import encode, facts_to_wire

CONTENT = b"From: alice@far.test\r\nSubject: hi\r\n\r\ntext\r\n"


def envelope_of(*requests: RecipientRequest, reverse_path: str = "alice@far.test") -> Envelope:
    return Envelope(
        queue_id="01J00000000000000000000000",
        tenant_id="tenant-a",
        reverse_path=reverse_path,
        recipients=tuple(
            EnvelopeRecipient(f"r{number}@a.test", f"alias{number}@a.test", f"id-{number}", request)
            for number, request in enumerate(requests)
        ),
        arrived_at=datetime(2026, 11, 21, tzinfo=UTC),
        digest=b"",
        size_octets=len(CONTENT),
        trace_prefix=b"Received: x\r\n",
        source=Source.MX,
        helo="h",
        client_address="127.0.0.1",
        sender_account_id="",
        smtputf8=False,
        eight_bit=False,
        request=MessageRequest(None, "id7"),
    )


class Bus:
    """One message that comes until it is acknowledged."""

    deliveries = 1

    def __init__(self, envelope: Envelope, draining: asyncio.Event) -> None:
        facts = facts_to_wire(examine(CONTENT))
        self.payload = encode(envelope, envelope.recipients, BodyReference("k", 0, len(CONTENT), b""), facts)
        self.fate: list[str] = []
        self._draining = draining

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence["Bus"]:
        await asyncio.sleep(0)
        return [self]

    async def acknowledge(self) -> None:
        self.fate.append("acknowledged")
        self._draining.set()

    async def retry_later(self, delay_seconds: float) -> None:
        self.fate.append("again")

    async def keep_working(self) -> None:
        self.fate.append("working")


class World:
    """Mailboxes, the gate and a directory that is away so many times."""

    def __init__(self, away: int = 0, full: Sequence[str] = ()) -> None:
        self.full = full
        self.letters: list[Letter] = []
        self.deliveries: list[Delivery] = []
        self._away = away

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        self.deliveries += deliveries
        return [
            Outcome.OVER_QUOTA if each.recipient in self.full and each.new else Outcome.FILED
            for each in deliveries
        ]

    async def accept(self, letter: Letter) -> None:
        assert self.deliveries, "told before it was filed"
        self.letters.append(letter)

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        if self._away:
            self._away -= 1
            raise Unavailable("away")
        return [Resolution(Disposition.REMOTE, ())]


def file(envelope: Envelope, away: int = 0, full: Sequence[str] = ()) -> tuple[World, list[str]]:
    async def run() -> tuple[World, list[str]]:
        world, draining = World(away, full), asyncio.Event()
        bus = Bus(envelope, draining)
        anything = cast(Any, world)
        filing = Filing(
            *(bus, anything, anything, Receipts("mail.test", anything, anything), draining),
            batch_messages=8,
            retry_seconds=0.0,
            poison_tries=3,
        )
        await filing.run()
        return world, bus.fate

    return asyncio.run(run())


def test_who_asked_is_told_of_the_address_that_was_written() -> None:
    request = RecipientRequest(Notify.SUCCESS, "rfc822;Alias0@a.test")
    world, fate = file(envelope_of(request, RecipientRequest(), RecipientRequest(Notify.NEVER)))
    [letter] = world.letters
    assert fate == ["acknowledged"]
    assert (letter.reverse_path, letter.source) == ("", Source.DSN)
    assert [recipient.address for recipient in letter.recipients] == ["alice@far.test"]
    for line in (
        b"Action: delivered\r\n",
        b"Original-Envelope-Id: id7\r\n",
        b"Original-Recipient: rfc822; Alias0@a.test\r\n",
        b"Final-Recipient: rfc822; alias0@a.test\r\n",
    ):
        assert line in letter.content
    assert letter.content.count(b"Final-Recipient") == 1
    assert b"r0@a.test" not in letter.content


@pytest.mark.parametrize(
    "request_", [RecipientRequest(), RecipientRequest(Notify.FAILURE), RecipientRequest(Notify.NEVER)]
)
def test_who_did_not_ask_is_not_told(request_: RecipientRequest) -> None:
    world, fate = file(envelope_of(request_))
    assert (world.letters, fate) == ([], ["acknowledged"])


def test_a_notice_is_no_reason_for_another() -> None:
    assert who_asked(envelope_of(RecipientRequest(Notify.SUCCESS), reverse_path="")) == []


def test_a_receipt_that_cannot_be_made_now_is_made_later_under_the_same_name() -> None:
    envelope = envelope_of(RecipientRequest(Notify.SUCCESS))
    world, fate = file(envelope, away=2)
    assert fate == ["again", "again", "acknowledged"]
    assert [letter.queue_id for letter in world.letters] == [
        notice_queue_id(envelope, "delivered", who_asked(envelope))
    ]


def test_for_whom_there_is_no_room_the_sender_is_told_and_the_others_get_it() -> None:
    wants = RecipientRequest(Notify.SUCCESS | Notify.FAILURE)
    envelope = envelope_of(wants, wants, RecipientRequest(Notify.NEVER))
    world, fate = file(envelope, full=["r1@a.test", "r2@a.test"])
    assert fate == ["acknowledged"]
    [delivered, refused] = world.letters
    assert b"alias0@a.test" in delivered.content
    assert b"alias1@a.test" not in delivered.content
    assert (refused.reverse_path, refused.source) == ("", Source.DSN)
    for line in (b"Action: failed\r\n", b"Status: 5.2.2\r\n", b"Final-Recipient: rfc822; alias1@a.test\r\n"):
        assert line in refused.content
    # Who wants to hear nothing of it does not.
    assert b"alias2@a.test" not in refused.content
    # It counts as settled: a repetition brings no second notice.
    assert [each.recipient for each in world.deliveries if each.new is None] == ["r1@a.test", "r2@a.test"]


def test_a_refusal_that_cannot_be_told_now_is_told_later_under_the_same_name() -> None:
    envelope = envelope_of(RecipientRequest(), RecipientRequest())
    world, fate = file(envelope, away=2, full=["r1@a.test"])
    assert fate == ["again", "again", "acknowledged"]
    [letter] = world.letters
    assert letter.queue_id == notice_queue_id(envelope, "refused", envelope.recipients[1:])


def test_nobody_is_told_that_a_notice_found_no_room() -> None:
    world, fate = file(envelope_of(RecipientRequest(), reverse_path=""), full=["r0@a.test"])
    assert (world.letters, fate) == ([], ["acknowledged"])
    assert world.deliveries[-1].new is None


def test_copies_of_their_own_come_back_one_by_one_each_to_its_reverse_path() -> None:
    envelope = envelope_of(RecipientRequest(), RecipientRequest(), reverse_path="news+bounces@a.test")
    tokens = tuple(replace(each, token=f"t{number}") for number, each in enumerate(envelope.recipients))
    own = OwnCopies("news+b-<>@a.test")
    envelope = replace(envelope, recipients=tokens, own_copies=own)
    world, fate = file(envelope, full=["r0@a.test", "r1@a.test"])
    assert fate == ["acknowledged"]
    assert [[each.address for each in letter.recipients] for letter in world.letters] == [
        ["news+b-t0@a.test"],
        ["news+b-t1@a.test"],
    ]
    assert len({letter.queue_id for letter in world.letters}) == 2
