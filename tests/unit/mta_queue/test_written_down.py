"""What is written down when, and whose place is whose: a process that is killed repeats only what was under way."""

import asyncio
import contextlib
from datetime import timedelta
from functools import partial

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.core.rules import Rules, Suspension
from mta_queue.core.turns import Caps, Lane
from mta_queue.edge.slots import Slots, Turn
from mta_queue.ports import Item, TakenOver
from pgkit import DatabaseUnavailable

from tests.support.queued import letter
from tests.unit.mta_queue.test_working import LATER, NOW, SCHEDULE, World, until


async def test_what_one_domain_took_is_written_down_though_another_keeps_us_waiting() -> None:
    world = World()
    world.stuck = {"slow.test"}
    world.replies = {"no.test": Reply.of(550, "5.1.1", "nobody")}
    message = world.send("a@slow.test", "b@fast.test", "c@no.test")
    running = asyncio.create_task(world.firsts.run())
    await until(lambda: len(world.settled) >= 2)
    # Who is killed now has fast.test among what is known, and does not send to it again.
    assert {each.address for each in world.settled} == {"b@fast.test", "c@no.test"}
    assert (message.fate, world.slots.room_for_laters) == ("", 7)
    world.go.set()
    await running
    assert message.fate == "acknowledged"
    assert world.takings == [TakenOver.NOW, TakenOver.BEFORE, TakenOver.BEFORE]
    assert [len(due.outcomes) for due in world.told] == [1]
    assert world.slots.room_for_laters == 8


async def test_a_domain_that_could_not_be_written_down_breaks_no_other_off() -> None:
    world = World()
    world.stuck, world.unwritten = {"slow.test"}, {"b@lost.test"}
    message = world.send("a@slow.test", "b@lost.test")
    running = asyncio.create_task(world.firsts.run())
    await until(lambda: len(world.tried) >= 2)
    assert message.fate == "", "who sends must not be forgotten"
    world.go.set()
    await running
    assert message.fate == "retried"
    assert [each.address for each in world.settled] == ["a@slow.test"]
    assert world.slots.room_for_laters == 8


async def test_each_transaction_is_written_down_before_the_next() -> None:
    world = World()
    world.at_once = 2
    world.answers = {"c@ok.test": LATER, "e@ok.test": DatabaseUnavailable("we are killed here")}
    message = world.send(*(f"{name}@ok.test" for name in "abcde"))
    await world.firsts.run()
    assert message.fate == "retried"
    assert [each.address for each in world.settled] == ["a@ok.test", "b@ok.test"]
    assert world.postponed == []
    # The next time only who is not known: those who were asked to come again wait when all are done.
    world = World()
    world.at_once = 2
    world.answers = {"c@ok.test": LATER}
    world.settled_before = {"a@ok.test", "b@ok.test"}
    message = world.send(*(f"{name}@ok.test" for name in "abcde"), deliveries=2)
    await world.firsts.run()
    assert [recipients[0][0] for _, recipients in world.tried] == ["c", "e"]
    assert [each.address for each in world.settled] == ["e@ok.test"]
    assert [each.recipients for each in world.postponed] == [("c@ok.test", "d@ok.test")]
    assert set(world.takings) == {TakenOver.BEFORE}, "that the queue has it was told the first time"


@pytest.mark.parametrize(("known", "taken"), [(set[str](), TakenOver.NOW), ({"a@ok.test"}, TakenOver.BEFORE)])
@pytest.mark.parametrize("tried", [(), ("b@ok.test",)])
async def test_what_is_put_off_is_told_of_once(
    known: set[str], taken: TakenOver, tried: tuple[str, ...]
) -> None:
    """One process was killed after it had written something down, or before; the next puts off what is left."""
    world = World()
    stopped = Suspension("i", "", "stop.test", "why", "operator", NOW, None)
    world.rules = Rules({("", "stop.test"): stopped}, {}, SCHEDULE)
    await world.current.reload()
    world.settled_before = known
    message = world.send("a@ok.test" if known else "a@stop.test", "c@stop.test", *tried, deliveries=2)
    await world.firsts.run()
    assert message.fate == "acknowledged"
    assert world.takings == [taken, *(TakenOver.BEFORE for _ in tried)]


async def test_a_later_attempt_writes_each_transaction_down_and_stays_under_its_lease() -> None:
    world = World()
    world.at_once = 2
    world.answers = {"a@ok.test": LATER}
    spooled, payload = letter(*(f"{name}@ok.test" for name in "abcde"))
    addresses = tuple(each.address for each in spooled.envelope.recipients)
    world.due.append(Item(7, spooled, payload, "ok.test", addresses, 1, NOW + timedelta(days=5), 1, ""))
    await world.laters.run()
    assert [(len(waiting), kept) for waiting, kept in world.parts] == [(5, True), (3, True)]
    [(_, again_at)] = world.retried
    assert again_at is not None
    assert [each.address for each in world.settled] == ["c@ok.test", "d@ok.test", "e@ok.test"]
    # At the drain somebody else goes on, and a lost lease is nobody's any more.
    for ends in ("draining", "lost"):
        world = World()
        world.at_once = 2
        world.stuck, world.lease_lost = {"ok.test"}, ends == "lost"
        world.due.append(Item(8, spooled, payload, "ok.test", addresses, 1, NOW + timedelta(days=5), 1, ""))
        running = asyncio.create_task(world.laters.run())
        await world.draining.wait()
        if ends == "lost":
            world.draining.clear()
        world.go.set()
        await until(partial(bool, world.parts))
        world.draining.set()
        await running
        assert [(len(waiting), kept) for waiting, kept in world.parts] == [(3, ends == "lost")]
        assert world.retried == []
        assert len(world.tried) == 1


async def test_who_waits_for_long_gives_its_place_to_others_but_not_without_end() -> None:
    slots = Slots(4, Caps(a_destination=100, a_tenant=100))
    lane = Lane("t", "slow.test")
    with contextlib.ExitStack() as all_of_them:
        for number in range(3 * 4 + 4):
            turn = Turn.FIRST if number % 2 else Turn.LATER
            await until(lambda: slots.room_for_laters > 0)
            slots.enter_later(lane) if turn is Turn.LATER else slots.enter_first(lane)
            all_of_them.enter_context(slots.waiting(turn, 0.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # So many beside, and then as many as there are places.
        assert (slots.room_for_laters, slots.room_for_firsts) == (0, 0)
    for number in range(16):
        slots.leave_first(lane) if number % 2 else slots.leave_later(lane)
    assert (slots.room_for_laters, slots.room_for_firsts) == (4, 3)
    # Its destination has no more places for that.
    slots = Slots(4, Caps(a_destination=1, a_tenant=2))
    assert slots.enter_first(lane)
    with slots.waiting(Turn.FIRST, 0.0):
        await until(lambda: slots.room_for_firsts == 3)
        assert not slots.enter_first(lane)
        assert slots.enter_first(Lane("t", "fast.test"))
