"""A post to a list is worked on beside other mail: it holds up nobody, and is settled when its pages are sent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from directoryclient import Unavailable
from mailmodel import AccountRef
from mailstore import Delivery
from mda.core.lists import MailingList
from mda.edge.filing import Filing

from tests.support.mda_world import World

NEWS = MailingList("id-news", "t", "news@example.test", "", "anyone", False, ("o@far.test",), ())
CONTENT = b"From: <eve@peer.invalid>\r\n\r\nx\r\n"


class Store(World):
    """Nothing was settled before."""

    async def settled(self, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
        return set()


class Distributing:
    """Takes as long as the test says."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.failures: list[Exception] = []
        self.settled = 0
        self.knows = True

    async def among(self, accounts: Sequence[AccountRef]) -> dict[str, MailingList]:
        if not self.knows:
            self.knows = True
            raise Unavailable("away")
        return {each.account_id: NEWS for each in accounts if each.account_id == "id-news"}

    async def settle(
        self, letter: Any, deliveries: Sequence[Delivery], lists: Any, alive: Any, *, suspect: str
    ) -> list[Delivery]:
        await self.may_end.wait()
        if self.failures:
            raise self.failures.pop()
        self.settled += 1
        return [replace(each, new=None) if each.account.account_id in lists else each for each in deliveries]


async def file(world: World, distributing: Distributing, between: Callable[[], None] = lambda: None) -> None:
    world._rounds = 10_000
    world.between = between
    filing = Filing(
        *(cast(Any, world),) * 4,
        world.draining,
        batch_messages=64,
        retry_seconds=0.0,
        poison_tries=3,
        policies=cast(Any, world),
        distributing=cast(Any, distributing),
    )
    await filing.run()


async def test_other_mail_is_filed_while_a_post_is_on_its_way() -> None:
    world, distributing = Store(), Distributing()
    post, other = world.send(CONTENT, accounts=("news", "bob")), world.send(CONTENT)

    def between() -> None:
        if other.outcome:
            assert not post.outcome or distributing.may_end.is_set()
            distributing.may_end.set()

    await file(world, distributing, between)
    assert other.outcome == post.outcome == ["acknowledged"]
    first, second = world.batches
    assert [each.recipient for each in first] == ["bob@example.test"]
    assert [(each.recipient, each.new is None) for each in second] == [
        ("news@example.test", True),
        ("bob@example.test", False),
    ]


async def test_a_fifth_post_waits_for_its_turn() -> None:
    world, distributing = Store(), Distributing()
    posts = [world.send(CONTENT, accounts=("news",)) for _ in range(5)]

    def between() -> None:
        if "again" in posts[4].fate:
            distributing.may_end.set()

    await file(world, distributing, between)
    assert [post.outcome[-1] for post in posts] == ["acknowledged"] * 5
    assert distributing.settled == 5


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a bug")])
async def test_what_fails_comes_again(error: Exception) -> None:
    world, distributing = Store(), Distributing()
    distributing.may_end.set()
    distributing.failures = [error]
    post = world.send(CONTENT, accounts=("news",))
    await file(world, distributing)
    assert post.outcome == ["again", "acknowledged"]


async def test_nothing_is_filed_while_nobody_knows_what_is_a_list() -> None:
    world, distributing = Store(), Distributing()
    distributing.may_end.set()
    distributing.knows = False
    item = world.send(CONTENT)
    await file(world, distributing)
    assert item.outcome == ["again", "acknowledged"]
    assert len(world.batches) == 1
