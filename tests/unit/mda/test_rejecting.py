"""What a script refuses (RFC 5429): who is told how, that it is told as an event, and that nobody hears it was delivered."""

import asyncio
import email
import json
from collections.abc import Sequence
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest
from blobstore import BodyReference
from directoryclient import Disposition, Resolution
from mailmodel import AccountRef
from mailmsg.facts import examine
from mailproto.smtp.dsn_request import Notify, RecipientRequest
from mailstore import ActiveScripts, Delivery, Outcome, StoreUnavailable
from mda.core.told import rejected
from mda.edge.filing import Filing
from mda.edge.outgoing import Outgoing
from mda.edge.receipts import Receipts
from mda.edge.reporting import Reporting
from mda.edge.running import Running
from mda.edge.sorting import Sorting
from spool import Envelope, Letter
from spool.codec import encode, facts_to_wire

from tests.unit.mda.test_receipts import CONTENT, envelope_of

REASON = "No offers, please."


class World:
    """One message on the bus, one script for all, mailboxes, the gate, a directory."""

    deliveries = 0

    def __init__(self, envelope: Envelope, script: str, before: str = "", away: int = 0) -> None:
        self.payload = encode(
            envelope,
            envelope.recipients,
            BodyReference("k", 0, len(CONTENT), sha256(CONTENT).digest()),
            facts_to_wire(examine(CONTENT)),
        )
        self.draining = asyncio.Event()
        self.letters: dict[str, Letter] = {}
        self.kept: dict[tuple[str, str], Delivery] = {}
        self.events: list[dict[str, Any]] = []
        self._away = away
        self._script, self._before = script.encode(), before.encode()
        self.scripts = SimpleNamespace(
            active_digests=self._digests, active=self._active, remember=self._remember
        )
        self.tenant_scripts = SimpleNamespace(get=self._of_tenant)

    async def _digests(self, accounts: Sequence[AccountRef]) -> dict[str, ActiveScripts]:
        before = b"before" if self._before else None
        return {each.account_id: ActiveScripts(own=b"own", before=before, after=None) for each in accounts}

    async def _active(self, account: AccountRef) -> bytes:
        return self._script

    async def _of_tenant(self, tenant_id: str, name: str) -> tuple[None, bytes]:
        return None, self._before

    async def _remember(self, account: AccountRef, handle: bytes, seconds: int) -> bool:
        return True

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        return CONTENT[offset : offset + length]

    # -- the bus

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence["World"]:
        self.deliveries += 1
        await asyncio.sleep(0)
        return [self]

    async def acknowledge(self) -> None:
        self.draining.set()

    async def retry_later(self, delay_seconds: float) -> None:
        pass

    async def keep_working(self) -> None:
        pass

    # -- mailboxes

    async def settled(self, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
        return set(self.kept)

    async def provision(self, account: AccountRef) -> None:
        pass

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        if self._away and deliveries:
            self._away -= 1
            raise StoreUnavailable("away")
        outcomes = []
        for each in deliveries:
            key = (each.queue_id, each.recipient)
            outcomes.append(Outcome.REPEATED if key in self.kept else Outcome.FILED)
            self.kept.setdefault(key, each)
        return outcomes

    async def name_of(self, account: AccountRef, target: object) -> str:
        return "Archive"

    # -- the gate, the directory

    async def accept(self, letter: Letter) -> None:
        self.letters[letter.queue_id] = letter

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ()) for _ in addresses]

    async def file(self) -> None:
        anything = cast(Any, self)
        receipts = Receipts("mail.test", anything, anything)
        reporting = Reporting(
            lambda _tenant, payload: self.events.extend(json.loads(payload)["events"]), self.draining
        )
        running = Running(anything, anything, anything)
        outgoing = Outgoing("mail.test", anything, anything)
        filing = Filing(
            *(anything, anything, anything, receipts, self.draining),
            batch_messages=8,
            retry_seconds=0.0,
            poison_tries=3,
            sorting=Sorting(anything, running, outgoing, anything, receipts),
            reporting=reporting,
        )
        await filing.run()
        reporting.flush()

    @property
    def notices(self) -> list[str]:
        return [
            str(email.message_from_bytes(each.content).get_param("report-type"))
            for each in self.letters.values()
        ]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each["type"], each["recipient"]) for each in self.events]


def script(command: str, reason: str = REASON) -> str:
    return f'require "{command}";\r\n{command} "{reason}";\r\n'


@pytest.mark.parametrize(
    ("command", "report"), [("reject", "disposition-notification"), ("ereject", "delivery-status")]
)
async def test_it_is_an_event_and_its_sender_is_told_once(command: str, report: str) -> None:
    """Though the message comes again, and though the sender asked to hear of success."""
    envelope = envelope_of(RecipientRequest(Notify.SUCCESS | Notify.FAILURE))
    world = World(envelope, script(command), away=1)
    await world.file()
    assert world.deliveries == 2
    assert world.notices == [report]
    [notice] = world.letters.values()
    assert notice.reverse_path == ""
    assert REASON.encode() in notice.content
    [event] = [each for each in world.events if each["type"] == "refused"]
    assert (event["recipient"], event["status"]) == ("r0@a.test", "5.7.1")
    assert event["reply"] == f"550 5.7.1 {REASON}"
    assert {each.new for each in world.kept.values()} == {None}


async def test_who_is_not_refused_has_it() -> None:
    envelope = envelope_of(RecipientRequest(Notify.SUCCESS), RecipientRequest(Notify.SUCCESS))
    only_first = (
        f'require ["ereject", "envelope"];\r\nif envelope "to" "r0@a.test" {{ ereject "{REASON}"; }}\r\n'
    )
    world = World(envelope, only_first)
    await world.file()
    assert sorted(world.told) == [
        ("delivered", "r1@a.test"),
        ("filed", "r1@a.test"),
        ("refused", "r0@a.test"),
    ]
    # The first did not ask to hear of failures.
    [notice] = world.letters.values()
    assert b"Action: delivered\r\n" in notice.content
    assert b"r0@a.test" not in notice.content


@pytest.mark.parametrize("command", ["reject", "ereject"])
async def test_nobody_is_told_where_there_is_nobody_to_tell(command: str) -> None:
    """RFC 5429 §2.1.2 and §2.2.1: never to a null reverse-path. It is an event all the same."""
    world = World(envelope_of(RecipientRequest(), reverse_path=""), script(command))
    await world.file()
    assert world.letters == {}
    assert world.told == [("refused", "r0@a.test")]


async def test_what_the_tenant_has_filed_before_stays() -> None:
    envelope = envelope_of(RecipientRequest(Notify.SUCCESS))
    world = World(
        envelope, script("reject"), before='require ["fileinto", "copy"]; fileinto :copy "Archive";'
    )
    await world.file()
    assert sorted(world.told) == [
        ("delivered", "r0@a.test"),
        ("filed", "r0@a.test"),
        ("refused", "r0@a.test"),
    ]
    assert world.notices == ["disposition-notification"]


async def test_a_dsn_keeps_the_reasons_lines_and_letters() -> None:
    envelope = envelope_of(RecipientRequest())
    world = World(envelope, script("ereject", "Zu groß.\r\nAction: delivered"))
    await world.file()
    [notice] = world.letters.values()
    human, status, _ = cast(list[Any], email.message_from_bytes(notice.content).get_payload())
    said = human.get_payload(decode=True).decode()
    assert "The reason given is:\r\n\r\nZu groß.\r\nAction: delivered\r\n" in said
    fields = status.as_bytes()
    assert fields.count(b"Action:") == 1
    assert b"550 5.7.1 Refused by the recipient's mail filter" in fields.replace(b"\n ", b" ")


def test_a_reply_is_one_line_of_ascii() -> None:
    assert rejected("one\r\n two").reason == "550 5.7.1 one two"
    assert rejected("größer").reason == "550 5.7.1 Refused by the recipient's mail filter"
    assert rejected("a\x07b").reason == "550 5.7.1 Refused by the recipient's mail filter"
    assert len(rejected("x" * 9000).reason) < 600


@pytest.mark.parametrize("command", ["reject", "ereject"])
async def test_it_is_about_the_message_as_it_came(command: str) -> None:
    """RFC 5293 §6, RFC 5429 §2.4: what the script has changed before does not count."""
    edits = (
        f'require ["editheader", "{command}"];\r\ndeleteheader "Subject";\r\naddheader "X-Added" "yes";\r\n'
    )
    world = World(envelope_of(RecipientRequest()), edits + f'{command} "no";\r\n')
    await world.file()
    [notice] = world.letters.values()
    assert b"\r\nSubject: hi\r\n" in notice.content.partition(b"text/rfc822-headers")[2]
    assert b"X-Added" not in notice.content
