"""Return receipts (RFC 8098): who is told that a message was displayed, and that it is told once."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from directoryclient import Disposition, Resolution, Target, Unavailable
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef, Entry, FlagChange, Flags, SystemFlag
from mailstore import Columns, StoredMessage
from mda.core.allowing import without_asking
from mda.core.plan import plan
from mda.edge.disclosing import Disclosing, Opened
from spool import Letter, Source, SpoolUnavailable

from tests.support.mda_world import letter_of

ACCOUNT = AccountRef("tenant", "bob")
INBOX, JUNK = 1, 2
HEADER = (
    b"From: eve@far.test\r\nMessage-ID: <1@far.test>\r\nDisposition-Notification-To: <eve@far.test>\r\n\r\n"
)
PREFIX = b"Return-Path: <eve@far.test>\r\nDelivered-To: bob@a.test\r\nReceived: x\r\n"


def message(
    uid: int = 7, header: bytes = HEADER, prefix: bytes = PREFIX, keywords: Sequence[str] = ()
) -> StoredMessage:
    flags = Flags(SystemFlag.SEEN, frozenset(keywords))
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return StoredMessage(uid, 1, flags, at, 100, f"message-{uid}", prefix, header)


class _Box:
    def __init__(self, mailbox_id: int, *special_use: str) -> None:
        self.mailbox_id, self.special_use = mailbox_id, frozenset(special_use)


class World:
    """The store, its memory, the gate and the directory; away so many times."""

    def __init__(self, messages: Sequence[StoredMessage], away: int = 0) -> None:
        self.messages = messages
        self.letters: list[Letter] = []
        self.tried: list[str] = []
        self.marked: list[tuple[int, frozenset[str]]] = []
        self._noted: set[bytes] = set()
        self._away = away
        self.scripts = self
        self.reader_id = "bob"
        self.draining = asyncio.Event()
        self.sent = asyncio.Event()
        anything = cast(Any, self)
        self.disclosing = Disclosing(
            "mail.a.test", anything, anything, anything, self.draining, retry_seconds=0.0
        )

    async def remember(self, account: AccountRef, handle: bytes, seconds: int) -> bool:
        if handle in self._noted:
            return False
        self._noted.add(handle)
        return True

    async def fetch(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        yield [each for each in self.messages if each.uid in uids]

    async def list_mailboxes(self, account: AccountRef) -> list[_Box]:
        return [_Box(INBOX), _Box(JUNK, "\\Junk")]

    async def store_flags(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
    ) -> list[Entry]:
        assert not self.letters, "marked after it was sent"
        self.marked += [(uid, change.flags.keywords) for uid in uids]
        return []

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        if addresses == ["bob@a.test"]:
            target = Target("bob@a.test", self.reader_id, "tenant")
            return [Resolution(Disposition.DELIVER, (target,))]
        if self._away % 2:
            self._away -= 1
            raise Unavailable("away")
        return [Resolution(Disposition.REMOTE, ())]

    async def accept(self, letter: Letter) -> None:
        self.tried.append(letter.queue_id)
        if self._away:
            self._away -= 1
            raise SpoolUnavailable("away")
        self.letters.append(letter)
        self.sent.set()

    def open(self, *uids: int, mailbox_id: int = INBOX) -> int:
        return asyncio.run(self.disclosing.disclose(Opened(ACCOUNT, mailbox_id, uids)))


def test_the_sender_is_told_once_with_the_null_reverse_path() -> None:
    world = World([message()])
    assert world.open(7) == 1
    [letter] = world.letters
    assert (letter.reverse_path, letter.source) == ("", Source.DSN)
    assert [each.address for each in letter.recipients] == ["eve@far.test"]
    assert b"Disposition: manual-action/MDN-sent-automatically; displayed\r\n" in letter.content
    assert b"Final-Recipient: rfc822; bob@a.test\r\n" in letter.content
    assert world.marked == [(7, frozenset({"$MDNSent"}))]


def test_two_that_hear_of_the_same_tell_it_once() -> None:
    world = World([message()])
    world.open(7)
    letters, world.letters = world.letters, []
    # The keyword has not been seen yet, as by another process at the same time.
    assert world.open(7) == 0
    assert (len(letters), world.letters) == (1, [])


def test_nobody_is_told_of_what_was_told_or_is_no_delivery_or_is_junk() -> None:
    for silent in (
        message(keywords=["$mdnsent"]),
        message(prefix=b""),
        # An APPENDed message may say of itself what it likes.
        message(prefix=b"", header=PREFIX + HEADER),
        message(prefix=PREFIX.replace(b"<eve@far.test>", b"<>")),
        message(prefix=PREFIX.replace(b"<eve@far.test>", b"<owner@list.test>")),
        message(header=b"List-Id: <l.far.test>\r\n" + HEADER),
        message(header=b"Subject: x\r\n\r\n"),
    ):
        world = World([silent])
        assert world.open(7, 8) == 0
        assert (world.letters, world.marked) == ([], [])
    world = World([message()])
    assert world.open(7, mailbox_id=JUNK) == 0
    assert world.marked == []


def test_a_copy_from_a_mailbox_of_others_is_not_answered_for_them() -> None:
    world = World([message()])
    world.reader_id = "somebody-else"
    assert world.open(7) == 0
    assert (world.letters, world.marked) == ([], [])


def test_a_gate_that_is_away_is_tried_again_with_the_same_queue_id() -> None:
    world = World([message()], away=3)
    assert world.open(7) == 1
    assert len(world.letters) == 1
    assert len(world.tried) > 1
    assert len(set(world.tried)) == 1
    given_up = World([message()], away=100)
    assert given_up.open(7) == 0


def test_what_comes_over_the_bus_is_done_and_nonsense_is_ignored() -> None:
    world = World([message(7), message(8)])
    told = {"tenant_id": "tenant", "account_id": "bob", "mailbox_id": INBOX, "uids": [7]}

    async def run() -> None:
        for payload in (b"", b"[]", b'{"uids": 3}', b"\xff", json.dumps(told).encode()):
            world.disclosing.heard("mailbox.read.bob", payload)
        running = asyncio.create_task(world.disclosing.run())
        await world.sent.wait()
        world.draining.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10))
    assert [uid for uid, _ in world.marked] == [7]


def test_who_never_tells_is_not_asked_by_a_program_either() -> None:
    deliveries = plan(letter_of(HEADER + b"x\r\n"))
    [account_id] = [each.account.account_id for each in deliveries]

    def keywords(chosen: Mapping[str, AccountSettings]) -> frozenset[str]:
        [delivery] = without_asking(deliveries, chosen)
        assert delivery.new is not None
        return delivery.new.flags.keywords

    assert keywords({account_id: AccountSettings(mdn="never")}) == {"$MDNSent"}
    for mdn in ("", "ask", "always"):
        assert keywords({account_id: AccountSettings(mdn=mdn)}) == frozenset()
