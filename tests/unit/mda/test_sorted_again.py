"""What scripts do when the mail comes again, and what the script of one recipient does to others: nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from mailmodel import AccountRef
from mailproto.smtp.dsn_request import RecipientRequest
from mailstore import Delivery, StoreUnavailable
from mailstore import Outcome as Filed
from mda.edge import running
from mda.edge.running import Running
from sieve.actions import Outcome
from spool import Envelope, Letter

from tests.unit.mda.test_disclosing import World as ReaderWorld
from tests.unit.mda.test_disclosing import message
from tests.unit.mda.test_receipts import envelope_of
from tests.unit.mda.test_rejecting import World

ONE = envelope_of(RecipientRequest())
DUPLICATES = """require ["duplicate", "fileinto"];
    if duplicate :uniqueid "the same" { fileinto "Archive"; }"""


class Remembering(World):
    """It remembers, over several messages."""

    def __init__(self, envelope: Envelope, script: str, noted: set[bytes], away: int = 0) -> None:
        super().__init__(envelope, script, away=away)
        self.noted = noted
        self.scripts.remember = self._note
        self.scripts.prolong = self._note
        self.scripts.remembers = self._remembers

    async def _note(self, account: AccountRef, handle: bytes, seconds: int) -> bool:
        is_new = handle not in self.noted
        self.noted.add(handle)
        return is_new

    async def _remembers(self, account: AccountRef, handle: bytes) -> bool:
        return handle in self.noted

    @property
    def places(self) -> list[str]:
        return [each.mailbox_name for each in self.kept.values()]


@pytest.mark.parametrize("last", ["", ":last "])
@pytest.mark.parametrize("away", [0, 1, 2])
async def test_a_message_is_no_duplicate_of_itself(away: int, last: str) -> None:
    """RFC 7352 §3: where it is not filed, though the script has ended, it must not be taken for one that was."""
    script = DUPLICATES.replace(":uniqueid", last + ":uniqueid")
    noted: set[bytes] = set()
    first = Remembering(ONE, script, noted, away)
    await first.file()
    assert first.deliveries == 1 + away
    assert first.places == ["INBOX"]
    other = Remembering(envelope_of(RecipientRequest(), reverse_path="bob@far.test"), script, noted, away)
    other.payload = other.payload.replace(b"01J00000000000000000000000", b"01J00000000000000000000001")
    await other.file()
    assert other.places == ["Archive"]


async def test_one_line_may_notify_several() -> None:
    """The bus takes what has one name once: each notification has a name of its own."""
    world = World(ONE, 'require "enotify"; notify "mailto:a@far.test"; notify "mailto:b@far.test";')
    await world.file()
    told = [each.address for letter in world.letters.values() for each in letter.recipients]
    assert sorted(told) == ["a@far.test", "b@far.test"]


async def test_a_bug_that_ones_script_finds_keeps_no_others_script_from_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Running.run

    async def run(self: Running, account: AccountRef, *arguments: Any) -> Outcome:
        if account.account_id == "id-0":
            raise RecursionError
        return await usual(self, account, *arguments)

    monkeypatch.setattr(running.Running, "run", run)
    world = World(
        envelope_of(RecipientRequest(), RecipientRequest()), 'require "fileinto"; fileinto "Archive";'
    )
    await world.file()
    places = {recipient: each.mailbox_name for (_, recipient), each in world.kept.items()}
    assert places == {"r0@a.test": "INBOX", "r1@a.test": "Archive"}


async def test_a_bug_that_a_message_finds_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    world = ReaderWorld([message(7), message(8)])
    usual = world.store_flags
    failed: list[int] = []

    async def store_flags(account: AccountRef, mailbox_id: int, uids: Sequence[int], change: Any) -> Any:
        if not failed:
            failed.extend(uids)
            raise RecursionError
        return await usual(account, mailbox_id, uids, change)

    monkeypatch.setattr(world, "store_flags", store_flags)
    for uid in (7, 8):
        payload = b'{"tenant_id": "tenant", "account_id": "bob", "mailbox_id": 1, "uids": [%d]}' % uid
        world.disclosing.heard("", payload)

    disclosing = asyncio.create_task(world.disclosing.run())
    sent = asyncio.create_task(world.sent.wait())
    await asyncio.wait({disclosing, sent}, return_when=asyncio.FIRST_COMPLETED)
    assert not disclosing.done()
    disclosing.cancel()
    assert failed == [7]
    assert len(world.letters) == 1


async def test_what_is_filed_is_not_sorted_again_when_its_receipt_is() -> None:
    """A notification of it was sent and perhaps delivered long ago."""
    world = World(ONE, 'require "enotify"; notify "mailto:a@far.test";')
    accepted: list[str] = []
    usual, filed = world.accept, world.deliver

    async def accept(letter: Letter) -> None:
        accepted.append(letter.queue_id)
        await usual(letter)

    async def deliver(deliveries: Sequence[Delivery]) -> list[Filed]:
        outcomes = await filed(deliveries)
        if world.deliveries == 1:
            raise StoreUnavailable("nobody knows whether it is committed")
        return outcomes

    world.accept = accept  # type: ignore[method-assign]
    world.deliver = deliver  # type: ignore[method-assign]
    await world.file()
    assert world.deliveries == 2
    assert len(accepted) == 1
