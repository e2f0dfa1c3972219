"""Scripts at events of IMAP (RFC 6785): which one runs, what it sees, what becomes of the message, and that nothing is done
twice however often an event comes."""

import asyncio
import email
import email.policy
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from blobstore import BodyReference
from directoryclient import Disposition, Resolution
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import (
    Columns,
    CopyResult,
    Delivery,
    NewMessage,
    Outcome,
    QuotaExceeded,
    ScriptMissing,
    StoredMessage,
)
from mda.core.events import ENTRY, NoEvent, read_event
from mda.edge.acting import Acting
from mda.edge.outgoing import Outgoing
from mda.edge.placing import Placing
from mda.edge.running import Running
from senderauth import Result
from spool import Letter, SpoolUnavailable

OWNER = AccountRef("tenant", "bob")
PREFIX = b"Return-Path: <eve@far.test>\r\nDelivered-To: bob@a.test\r\nReceived: here\r\n"
CONTENT = b"From: eve@far.test\r\nSubject: a task\r\n\r\nto be done\r\n"
INBOX, TASKS, FULL = 1, 2, 3
NAMES = {INBOX: "INBOX", TASKS: "Tasks", FULL: "Full"}


def event(**what: Any) -> bytes:
    told = {
        "event_id": "e1",
        "at": 1_795_000_000_000,
        "tenant_id": OWNER.tenant_id,
        "account_id": OWNER.account_id,
        "owner": "bob@a.test",
        "user": "carol@a.test",
        "mailbox_id": TASKS,
        "uids": [7],
        "cause": "COPY",
        "flags": [],
    }
    return json.dumps(told | what).encode()


class Item:
    def __init__(self, payload: bytes, deliveries: int = 1) -> None:
        self.payload, self.deliveries = payload, deliveries
        self.fate = ""

    async def acknowledge(self) -> None:
        self.fate = "settled"

    async def retry_later(self, delay_seconds: float) -> None:
        self.fate = "again"

    async def keep_working(self) -> None:
        return


class World:
    """The store, the gate and the directory."""

    def __init__(self, script: str = "", entries: dict[int, str] | None = None, **how: Any) -> None:
        self.texts = {"main": script.encode(), **{name: text.encode() for name, text in how.items()}}
        self.entries = {TASKS: "main"} if entries is None else entries
        self.content, self.prefix, self.flags = CONTENT, PREFIX, Flags()
        self.done: list[str] = []
        self.letters: dict[str, Letter] = {}
        self.is_away = False
        self.noted: set[bytes] = set()
        self.bodies: dict[str, bytes] = {}
        self.members = ["one@far.test", "two@far.test"]
        self.lists = self
        self.scripts = self
        anything = cast(Any, self)
        running = Running(anything, anything, anything)
        outgoing = Outgoing("mail.a.test", anything, anything)
        self.acting = Acting(
            anything,
            anything,
            running,
            outgoing,
            Placing(anything, running),
            asyncio.Event(),
            retry_seconds=0.0,
        )

    def hear(self, payload: bytes | None = None, deliveries: int = 1) -> str:
        item = Item(event() if payload is None else payload, deliveries)
        asyncio.run(self.acting.settle(item))
        return item.fate

    # the store

    async def annotations_named(
        self, account: AccountRef, entries: Sequence[str]
    ) -> dict[tuple[int, str], bytes]:
        assert (account, entries) == (OWNER, [ENTRY])
        return {(place, ENTRY): name.encode() for place, name in self.entries.items()}

    async def get(self, account: AccountRef, name: str) -> bytes:
        if name not in self.texts:
            raise ScriptMissing
        text: bytes = self.texts[name]
        return text

    async def remembers(self, account: AccountRef, handle: bytes) -> bool:
        return handle in self.noted

    async def remember(self, account: AccountRef, handle: bytes, seconds: int) -> bool:
        is_new = handle not in self.noted
        self.noted.add(handle)
        return is_new

    async def prolong(self, account: AccountRef, handle: bytes, seconds: int) -> None:
        assert seconds == 0
        self.noted.discard(handle)

    async def list_mailboxes(self, account: AccountRef) -> list[Any]:
        return [
            SimpleNamespace(mailbox_id=key, name=name, special_use=frozenset()) for key, name in NAMES.items()
        ]

    async def get_mailbox(self, account: AccountRef, name: str) -> Any:
        return next((each for each in await self.list_mailboxes(account) if each.name == name), None)

    async def fetch(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        facts = examine(self.content)
        yield [
            StoredMessage(
                uid,
                1,
                self.flags,
                datetime(2026, 11, 21, tzinfo=UTC),
                len(self.prefix) + len(self.content),
                f"message-{uid}",
                self.prefix,
                facts.header,
                facts.header_octets,
            )
            for uid in uids
        ]

    async def read(self, message: StoredMessage, offset: int, length: int) -> bytes:
        return (self.prefix + self.content)[offset : offset + length]

    async def copy(
        self, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
    ) -> CopyResult:
        if target_id == FULL:
            raise QuotaExceeded("full")
        self.done.append(f"copy {list(uids)} to {NAMES[target_id]}")
        return CopyResult(1, [(uid, uid + 100) for uid in uids])

    async def put_body(self, account: AccountRef, content: bytes) -> BodyReference:
        self.bodies[f"body {len(self.bodies)}"] = content
        return BodyReference(f"body {len(self.bodies) - 1}", 0, len(content), b"")

    async def append(self, account: AccountRef, mailbox_id: int, new: Sequence[NewMessage]) -> list[int]:
        self.done.append(f"append {self.bodies[new[0].body.object_key]!r} to {NAMES[mailbox_id]}")
        return [1]

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        for each in deliveries:
            assert each.new is not None
            self.done.append(
                f"file {each.recipient} into {each.mailbox_name} {' '.join(each.new.flags.to_wire())}"
            )
        return [Outcome.FILED] * len(deliveries)

    async def store_flags(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
    ) -> None:
        sign = {FlagAction.ADD: "+", FlagAction.REMOVE: "-", FlagAction.REPLACE: "="}[change.action]
        words = " ".join(change.flags.to_wire())
        self.done.append(f"{NAMES[mailbox_id]} {list(uids)} {sign}{words}")

    # lists

    async def exists(self, account: AccountRef, owner: str, name: str) -> bool:
        return name == ":addrbook:team"

    async def addresses(self, account: AccountRef, owner: str, name: str) -> list[str]:
        assert (account, owner) == (OWNER, "bob@a.test")
        return self.members

    # the directory and the gate

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ())] * len(addresses)

    async def accept(self, letter: Letter) -> None:
        if self.is_away:
            raise SpoolUnavailable("away")
        self.letters[letter.queue_id] = letter


@pytest.mark.parametrize(
    ("entries", "runs"),
    [
        ({TASKS: "main"}, True),
        ({0: "main"}, True),
        ({INBOX: "main"}, False),
        ({}, False),
        # RFC 6785 §2.3.1: the mailbox's own is taken as it is, and the account's is no substitute.
        ({TASKS: "", 0: "main"}, False),
        ({TASKS: "gone", 0: "main"}, False),
    ],
)
def test_the_script_that_is_named_runs(entries: dict[int, str], runs: bool) -> None:
    world = World("discard;", entries)
    assert world.hear() == "settled"
    assert bool(world.done) is runs


def test_the_script_sees_who_did_what_where() -> None:
    items = {
        "imap.user": "carol@a.test",
        "imap.email": "carol@a.test",
        "imap.cause": "FLAG",
        "imap.mailbox": "Tasks",
        "imap.changedflags": "\\\\Flagged later",
        "location": "MS",
        "phase": "post",
    }
    tests = ", ".join(f'environment :is "{name}" "{value}"' for name, value in items.items())
    world = World(
        'require ["environment", "imapsieve", "imap4flags", "body"];\n'
        f'if allof ({tests}, hasflag "later", header :is "subject" "a task",'
        ' body :contains "to be done", header :contains "received" "here") { addflag "seen-by-script"; }'
    )
    world.flags = Flags(SystemFlag.FLAGGED, frozenset({"later"}))
    world.hear(event(cause="FLAG", flags=["\\Flagged", "later"]))
    assert world.done == ["Tasks [7] +seen-by-script"]


@pytest.mark.parametrize(
    ("script", "done"),
    [
        ("", []),
        ("keep;", []),
        ("discard;", ["Tasks [7] +\\Deleted"]),
        ("discard; keep;", []),
        (
            'require "fileinto"; fileinto "INBOX";',
            ["copy [7] to INBOX", "Tasks [7] +\\Deleted"],
        ),
        ('require ["fileinto", "copy"]; fileinto :copy "INBOX";', ["copy [7] to INBOX"]),
        (
            'require ["fileinto", "copy", "imap4flags"]; fileinto :copy :flags "x" "INBOX";',
            ["copy [7] to INBOX", "INBOX [107] =x"],
        ),
        # Where there is no such mailbox, or no room, the message stays.
        ('require "fileinto"; fileinto "Nowhere";', []),
        ('require "fileinto"; fileinto "Full";', []),
        # What it is changed to is not what is kept (§3.1).
        ('require "editheader"; addheader "X" "y"; keep;', []),
        (
            'require ["editheader", "fileinto", "copy"]; addheader "X" "y"; fileinto :copy "INBOX";',
            [f"append {b'X: y' + bytes([13, 10]) + PREFIX + CONTENT!r} to INBOX"],
        ),
        ('require "imap4flags"; setflag ["\\\\Seen", "b"]; keep;', ["Tasks [7] +\\Seen b", "Tasks [7] -a"]),
        # What only makes sense at delivery ends the script (§3.11), as does asking for an envelope (§4.6).
        ('require "vacation"; discard;', []),
        ('require "reject"; discard;', []),
        ('require "envelope"; discard; if envelope "from" "x" {}', []),
    ],
)
def test_what_becomes_of_the_message(script: str, done: list[str]) -> None:
    world = World(script)
    world.flags = Flags(keywords=frozenset({"a"})) if "setflag" in script else Flags()
    assert world.hear() == "settled"
    assert world.done == done
    # At most its owner hears that it failed.
    assert all(letter.reverse_path == "" for letter in world.letters.values())


def test_what_is_sent_on_comes_from_the_owner_and_is_the_message_as_it_came() -> None:
    world = World('require "copy"; redirect :copy "else@where.test";')
    world.hear()
    [letter] = world.letters.values()
    assert (letter.reverse_path, letter.content) == ("bob@a.test", CONTENT)
    assert [each.address for each in letter.recipients] == ["else@where.test"]
    assert letter.trace_prefix == b"Delivered-To: bob@a.test\r\n"
    # From is whatever was appended: nobody's word. The reverse-path is ours, and hears what becomes of it.
    assert letter.speaker is not None
    assert letter.speaker.dmarc is Result.NONE
    assert letter.speaker.vouches_for("a.test")
    assert world.done == []


@pytest.mark.parametrize("count", [0, 2, 101])
def test_a_list_gets_it_unless_nobody_or_too_many_are_in_it(count: int) -> None:
    world = World('require "extlists"; redirect :list ":addrbook:team";')
    world.members = [f"{number}@far.test" for number in range(count)]
    world.hear()
    sent = [each.address for letter in world.letters.values() for each in letter.recipients]
    assert sent == (world.members if count == 2 else [])
    assert bool(world.done) is (count == 2), "what nobody got is kept"


def test_what_is_not_kept_once_it_was_sent_on_is_marked() -> None:
    world = World('redirect "else@where.test";')
    world.hear()
    assert len(world.letters) == 1
    assert world.done == ["Tasks [7] +\\Deleted"]


def test_what_went_through_here_before_is_kept_and_not_sent_on() -> None:
    world = World('redirect "else@where.test";')
    world.content = b"Delivered-To: bob@a.test\r\n" + CONTENT
    world.hear()
    assert (world.letters, world.done) == ({}, [])


def test_a_notification_and_its_copy() -> None:
    world = World(
        'require ["enotify", "fcc", "imap4flags"];'
        'notify :fcc "INBOX" :flags "\\\\Seen" "mailto:me@phone.test";'
    )
    world.hear()
    [letter] = world.letters.values()
    assert [each.address for each in letter.recipients] == ["me@phone.test"]
    assert world.done == ["file bob@a.test copy into INBOX \\Seen"]


def test_the_owner_is_told_that_a_script_failed_once_a_day() -> None:
    world = World('require ["envelope", "variables"];\nif envelope "from" "x" {}')
    world.content = b"Subject: =?utf-8?q?f=C3=BCr_dich?=\r\n\r\nx\r\n"
    world.hear(event(uids=[7, 8]))
    [letter] = world.letters.values()
    assert [(each.address, each.account_id) for each in letter.recipients] == [("bob@a.test", "bob")]
    assert letter.reverse_path == ""
    told = email.message_from_bytes(letter.content, policy=email.policy.default).get_content()
    assert "line 2: a message that is not being delivered has no envelope" in told
    assert "für dich" in told
    assert world.done == []


def test_who_could_not_be_told_is_told_the_next_time() -> None:
    world = World('require "envelope"; if envelope "from" "x" {}')
    world.is_away = True
    assert world.hear() == "settled", "nothing waits for it"
    world.is_away = False
    world.hear(event(event_id="e2"))
    assert len(world.letters) == 1


def test_what_comes_again_does_nothing_twice() -> None:
    world = World('require ["fileinto", "copy"]; redirect :copy "else@where.test"; fileinto "INBOX";')
    world.is_away = True
    assert world.hear() == "again"
    assert world.done == [], "nothing is marked before the rest is done"
    world.is_away = False
    assert world.hear(deliveries=2) == "settled"
    assert world.hear(deliveries=3) == "settled"
    assert world.done == ["copy [7] to INBOX", "Tasks [7] +\\Deleted"]
    assert len(world.letters) == 1


def test_each_message_of_an_event_and_each_event_by_itself() -> None:
    world = World('require ["fileinto", "copy"]; redirect :copy "else@where.test"; fileinto :copy "INBOX";')
    world.hear(event(uids=[7, 8]))
    world.hear(event(uids=[7], event_id="e2"))
    assert world.done == ["copy [7] to INBOX", "copy [8] to INBOX", "copy [7] to INBOX"]
    assert len(world.letters) == 3


def test_one_command_has_so_much_sent_and_no_more() -> None:
    world = World('redirect "else@where.test";')
    world.hear(event(uids=list(range(1, 151))))
    assert len(world.letters) == 100
    assert len(world.done) == 100, "what was not sent on is kept"


def test_an_included_script_may_do_no_more_than_the_first() -> None:
    world = World('require "include"; include "other"; discard;', other='require "vacation"; vacation "x";')
    world.hear()
    assert world.done == []
    assert [letter.reverse_path for letter in world.letters.values()] == [""], "it failed, which is told"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        event(cause="LOOK"),
        event(uids=["x"]),
        event(at=-1),
        event(event_id=""),
        event(flags=1),
    ],
)
def test_what_is_no_event_is_dropped(payload: bytes) -> None:
    with pytest.raises(NoEvent):
        read_event(payload)
    assert World("discard;").hear(payload) == "settled"
