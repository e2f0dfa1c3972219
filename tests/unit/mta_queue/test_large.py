"""Turns for large messages: a few at once, and no tenant or destination has them all."""

import asyncio
import contextlib

import pytest
from mta_queue.adapters.large import AT_ONCE, CAPS, LargeOnes
from mta_queue.core.turns import Lane


class Holder:
    """Has a turn from `has` on until it is let go."""

    def __init__(self, turns: LargeOnes, lane: Lane) -> None:
        self.has, self._go = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._hold(turns, lane))

    async def _hold(self, turns: LargeOnes, lane: Lane) -> None:
        async with turns.turn(lane):
            self.has.set()
            await self._go.wait()

    async def end(self) -> None:
        self._go.set()
        await self.task


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_host_that_takes_its_mail_slowly_holds_up_its_own() -> None:
    turns = LargeOnes()
    slow = [Holder(turns, Lane(f"t{number}", "slow.test")) for number in range(10)]
    heavy = [Holder(turns, Lane("heavy", f"d{number}.test")) for number in range(10)]
    other = Holder(turns, Lane("other", "fast.test"))
    await settled()
    assert [each.has.is_set() for each in slow].count(True) == CAPS.a_destination
    assert [each.has.is_set() for each in heavy].count(True) == CAPS.a_tenant
    assert other.has.is_set()
    late = Holder(turns, Lane("late", "late.test"))
    await settled()
    assert not late.has.is_set(), f"there are {AT_ONCE}"
    await other.end()
    await settled()
    assert late.has.is_set()
    for each in (late, *slow, *heavy):
        await each.end()


@pytest.mark.parametrize("has_turn", [False, True])
async def test_who_goes_away_takes_no_turn_along(has_turn: bool) -> None:
    turns, lane = LargeOnes(), Lane("t", "d.test")
    first = [Holder(turns, lane) for _ in range(CAPS.a_destination)]
    gone = Holder(turns, lane)
    await settled()
    if has_turn:
        first[0]._go.set()
        await first[0].task
        # The turn is given, and not taken yet.
    gone.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone.task
    for each in first:
        await each.end()
    again = [Holder(turns, lane) for _ in range(CAPS.a_destination)]
    await settled()
    assert all(each.has.is_set() for each in again)
    for each in again:
        await each.end()


async def test_who_is_just_going_away_is_passed_over() -> None:
    turns, lane = LargeOnes(), Lane("t", "d.test")
    first = [Holder(turns, lane) for _ in range(CAPS.a_destination)]
    gone, behind = Holder(turns, lane), Holder(turns, lane)
    await settled()
    # In one step of the loop: who leaves finds somebody waiting who has been cancelled and has not heard of it.
    first[0]._go.set()
    gone.task.cancel()
    await first[0].task
    with contextlib.suppress(asyncio.CancelledError):
        await gone.task
    await settled()
    assert behind.has.is_set()
    for each in (first[1], behind):
        await each.end()
