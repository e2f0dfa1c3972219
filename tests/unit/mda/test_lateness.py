"""Mail that is to be delivered by a time (RFC 2852) and comes to its mailbox later."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from directoryclient import Disposition, Resolution
from mailproto.smtp.dsn_request import Notify, RecipientRequest
from mailproto.smtp.wishes import ByMode, DeliverBy, Relayed, Wishes
from mda.edge.receipts import Receipts
from spool import Letter, SpooledLetter
from spool.codec import encode, facts_to_wire

from tests.support.mda_world import BusItem, World, letter_of

CONTENT = b"From: eve@peer.invalid\r\nSubject: urgent\r\n\r\nx\r\n"
LATE, EARLY = -1, 3600


def send(world: World, seconds: int, mode: ByMode, accounts: Sequence[str] = ("bob",)) -> BusItem:
    by = DeliverBy(datetime.now(UTC) + timedelta(seconds=seconds), mode, Relayed.UNTOLD)
    letter = letter_of(CONTENT, accounts=accounts)
    envelope = replace(letter.envelope, wishes=Wishes(deliver_by=by))
    item = BusItem(world, encode(envelope, envelope.recipients, letter.body, facts_to_wire(letter.facts)))
    world.waiting.append(item)
    world.open_items += 1
    return item


async def test_what_is_too_late_goes_back_and_is_not_filed() -> None:
    world = World()
    item = send(world, LATE, ByMode.RETURN, ("bob", "carol"))
    await world.file()
    assert item.outcome == ["acknowledged"]
    assert world.refused == [("bob@example.test", "5.4.7"), ("carol@example.test", "5.4.7")]
    assert [each.new for each in world.deliveries] == [None, None], "they are settled, and nothing is filed"


@pytest.mark.parametrize(
    ("seconds", "mode", "told"),
    [(EARLY, ByMode.RETURN, 0), (EARLY, ByMode.NOTIFY, 0), (LATE, ByMode.NOTIFY, 1)],
)
async def test_everything_else_is_filed(seconds: int, mode: ByMode, told: int) -> None:
    world = World()
    item = send(world, seconds, mode)
    await world.file()
    assert item.outcome == ["acknowledged"]
    assert world.refused == []
    assert [each.new is not None for each in world.deliveries] == [True]
    assert len(world.told_late) == told


async def test_what_was_filed_in_time_and_comes_again_later_is_not_sent_back() -> None:
    world = World()
    send(world, EARLY, ByMode.RETURN, ("bob",))
    await world.file()
    [filed] = world.deliveries
    again = send(world, LATE, ByMode.RETURN, ("bob",))
    again.deliveries = 1
    letter = letter_of(CONTENT, queue_id=filed.queue_id)
    by = DeliverBy(datetime.now(UTC) - timedelta(seconds=1), ByMode.RETURN, Relayed.UNTOLD)
    envelope = replace(letter.envelope, wishes=Wishes(deliver_by=by))
    again.payload = encode(envelope, envelope.recipients, letter.body, facts_to_wire(letter.facts))
    world.draining.clear()
    await world.file()
    assert again.outcome == ["acknowledged"]
    assert world.refused == []


class Gate:
    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def accept(self, letter: Letter) -> None:
        self.letters.append(letter)

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [Resolution(Disposition.REMOTE, ())] * len(addresses)


def waiting(notify: Notify | None) -> SpooledLetter:
    letter = letter_of(CONTENT)
    recipients = tuple(
        replace(each, request=RecipientRequest(notify=notify)) for each in letter.envelope.recipients
    )
    return replace(letter, envelope=replace(letter.envelope, recipients=recipients))


@pytest.mark.parametrize(("notify", "told"), [(None, 1), (Notify.FAILURE, 1), (Notify.NEVER, 0)])
async def test_who_set_a_time_is_told_once_that_it_takes_longer(notify: Notify | None, told: int) -> None:
    gate = Gate()
    receipts = Receipts("mail.a.test", cast(Any, gate), cast(Any, gate))
    letter = waiting(notify)
    await receipts.tell_late(letter)
    await receipts.tell_late(letter)
    assert len({each.queue_id for each in gate.letters}) == told
    for each in gate.letters:
        assert b"Action: delayed\r\n" in each.content
        assert b"Status: 4.4.7\r\n" in each.content
        assert b"Will-Retry-Until" not in each.content
        assert each.reverse_path == ""
