"""Accounts that send on to each other: a message goes every way through them, but no way without an end."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from mailmodel import AccountRef
from mailproto.smtp.dsn_request import RecipientRequest
from mda.core.lists import Kind, kind_of
from mda.core.sieving import MOST_HOPS, hops

from tests.unit.mda.test_lists import NEWS, post
from tests.unit.mda.test_receipts import envelope_of
from tests.unit.mda.test_rejecting import World

RECEIVED = b"Received: x\r\n"


def trace(times: int) -> bytes:
    """As the accounts and lists that sent it on have written it."""
    return b"".join(b"Delivered-To: r%d@b.test\r\n" % number for number in range(times)) + RECEIVED


class Listed(World):
    """Whose script has a list."""

    async def exists(self, account: AccountRef, owner: str, name: str) -> bool:
        return True

    async def addresses(self, account: AccountRef, owner: str, name: str) -> Sequence[str]:
        return ["a@far.test", "b@far.test"]


async def sent(script: str, times: int) -> list[list[str]]:
    world = Listed(replace(envelope_of(RecipientRequest()), trace_prefix=trace(times)), script)
    await world.file()
    is_kept = any(each.new is not None for each in world.kept.values())
    assert is_kept is not bool(world.letters), "what is not sent on is kept"
    return [[each.address for each in letter.recipients] for letter in world.letters.values()]


@pytest.mark.parametrize("times", [0, MOST_HOPS - 1, MOST_HOPS, MOST_HOPS + 1])
async def test_what_was_sent_on_too_often_stays(times: int) -> None:
    assert await sent('redirect "a@far.test";', times) == ([["a@far.test"]] if times < MOST_HOPS else [])
    letter = post()
    letter = replace(letter, envelope=replace(letter.envelope, trace_prefix=trace(times)))
    expected = Kind.POST if times < MOST_HOPS else Kind.LOOP
    assert kind_of(NEWS, letter, letter.facts.header, "") is expected


async def test_only_what_comes_first_hand_goes_on_to_lists_of_a_script() -> None:
    script = 'require "extlists"; redirect :list ":addrbook:team";'
    assert await sent(script, 0) == [["a@far.test", "b@far.test"]]
    assert await sent(script, 1) == []


async def test_each_redirect_counts_and_what_a_stranger_writes_does_not() -> None:
    world = World(replace(envelope_of(RecipientRequest()), trace_prefix=trace(2)), 'redirect "a@far.test";')
    await world.file()
    [letter] = world.letters.values()
    assert hops(letter.trace_prefix) == 3
    strange = post(b"Delivered-To: x@y.invalid\r\n" * 50 + b"From: <eve@peer.invalid>\r\n\r\nx\r\n")
    assert kind_of(NEWS, strange, strange.facts.header, "") is Kind.POST
