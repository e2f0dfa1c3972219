"""Letters that lack nothing but a place: who gets the next one, who goes into the table, what the bus hears meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from blobstore import BodyReference
from mailproto.smtp.wishes import Wishes
from mta_queue.core.rules import Rules, Suspension
from mta_queue.core.turns import Lane
from mta_queue.edge.anteroom import IMPATIENT_SECONDS, RELIEF_SECONDS, Anteroom
from mta_queue.edge.firsts import Arrived, Firsts
from mta_queue.edge.keeping import Keeper
from spool import decode
from spool.codec import encode, facts_to_wire

from tests.support.queued import letter
from tests.unit.mta_queue.test_working import NOW, SCHEDULE, Message, World, until

A, B = (str(UUID(int=number)) for number in (1, 2))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def leaving(anteroom: Anteroom[str], *full: Lane) -> list[str]:
    found = []
    while (each := anteroom.leave(lambda lane: lane not in full)) is not None:
        found.append(each[0])
    return found


def test_places_go_round_over_tenants_and_their_destinations() -> None:
    anteroom = Anteroom[str](100, 100, 1.0)
    for number in range(3):
        assert anteroom.enter(f"a-x{number}", Lane(A, "x"), 0)
    assert anteroom.enter("a-y", Lane(A, "y"), 0)
    assert anteroom.enter("b-x", Lane(B, "x"), 0)
    assert leaving(anteroom) == ["a-x0", "b-x", "a-y", "a-x1", "a-x2"]
    assert len(anteroom) == 0


def test_who_has_no_place_holds_up_nobody_behind() -> None:
    anteroom = Anteroom[str](100, 100, 1.0)
    anteroom.enter("a-x", Lane(A, "x"), 0)
    anteroom.enter("a-y", Lane(A, "y"), 0)
    assert leaving(anteroom, Lane(A, "x")) == ["a-y"]
    assert leaving(anteroom) == ["a-x"]


def test_of_a_tenant_who_has_all_his_places_no_lane_is_asked() -> None:
    anteroom = Anteroom[str](1000, 1, 1.0)
    for number in range(500):
        anteroom.enter("many", Lane(A, f"x{number}"), 0)
    anteroom.enter("b-x", Lane(B, "x"), 0)
    asked: list[Lane] = []

    def has_place(lane: Lane) -> bool:
        asked.append(lane)
        return True

    assert anteroom.leave(has_place, lambda tenant_id: tenant_id != A) == ("b-x", Lane(B, "x"))
    assert asked == [Lane(B, "x")]
    assert anteroom.leave(has_place, lambda tenant_id: tenant_id != A) is None
    assert len(anteroom) == 500


def test_who_is_urgent_goes_before_others_of_the_lane() -> None:
    anteroom = Anteroom[str](100, 100, 1.0)
    for what, priority in (("usual", 0), ("later", -3), ("urgent", 4), ("too", 4), ("usual too", 0)):
        anteroom.enter(what, Lane(A, "x"), priority)
    assert leaving(anteroom) == ["urgent", "too", "usual", "usual too", "later"]


def test_there_is_room_for_so_many_and_for_so_many_of_a_lane() -> None:
    anteroom = Anteroom[str](3, 2, 1.0)
    entered = [anteroom.enter("a", Lane(A, "x"), 0) for _ in range(3)]
    assert entered == [True, True, False]
    assert [anteroom.enter("b", Lane(B, "x"), 0) for _ in range(2)] == [True, False]
    assert anteroom.empty() == ["a", "a", "b"]
    assert anteroom.enter("a", Lane(A, "x"), 0)


def test_nobody_waits_for_longer_than_a_moment() -> None:
    clock = Clock()
    anteroom = Anteroom[str](100, 100, 1.0, clock)
    anteroom.enter("first", Lane(A, "x"), 0)
    clock.now += 0.6
    anteroom.enter("urgent", Lane(A, "x"), 4)
    anteroom.enter("other", Lane(B, "y"), 0)
    assert anteroom.overdue() == []
    clock.now += 0.5
    assert anteroom.overdue() == ["first"]
    assert len(anteroom) == 2
    clock.now += 0.5
    assert sorted(anteroom.overdue()) == ["other", "urgent"]
    assert anteroom.overdue() == leaving(anteroom) == []


def test_where_later_attempts_have_places_free_some_go_there_and_then_nobody_for_a_while() -> None:
    clock = Clock()
    anteroom = Anteroom[str](100, 100, 10.0, clock)
    for number in range(8):
        anteroom.enter(f"{number}", Lane(A, "xy"[number % 2]), 0)
    assert anteroom.overdue(3) == []
    clock.now += IMPATIENT_SECONDS
    assert anteroom.overdue(0) == [], "all have places that want them"
    assert len(anteroom.overdue(3)) == 3
    assert anteroom.overdue(3) == [], "whether they were taken is not known yet"
    clock.now += RELIEF_SECONDS
    assert len(anteroom.overdue(100)) == 5
    assert len(anteroom) == 0


class Shelf:
    """Who wants which body."""

    def __init__(self) -> None:
        self.wanted: list[int] = []
        self.most = 0

    def want(self, body: BodyReference) -> None:
        self.wanted.append(body.offset)
        self.most = max(self.most, len(self.wanted))

    def release(self, body: BodyReference) -> None:
        self.wanted.remove(body.offset)


def waiting(
    world: World,
    seconds: float = 60.0,
    most: int = 100,
    ahead: int = 0,
    impatient_seconds: float = 60.0,
) -> Shelf:
    """First attempts with an anteroom."""
    shelf, everything = Shelf(), cast(Any, world)
    world.firsts = Firsts(
        everything,
        everything,
        world.firsts._attempts,
        everything,
        world.slots,
        world.current,
        world.draining,
        keep_seconds=20.0,
        bodies=shelf,
        anteroom=Anteroom[Arrived](most, most, seconds, impatient_seconds=impatient_seconds),
        ahead=ahead,
    )
    return shelf


class Endless(World):
    """A bus that may be empty without the drain."""

    async def fetch(self, limit: int, wait_seconds: float) -> Any:
        found = [self.bus.popleft() for _ in range(min(limit, len(self.bus)))]
        await asyncio.sleep(0)
        return found


async def test_who_lacks_a_place_gets_the_next_one_and_never_sees_the_table() -> None:
    world = Endless()
    shelf = waiting(world)
    world.stuck = {"slow.test"}
    slow = [world.send(f"a{number}@slow.test") for number in range(5)]
    fast = world.send("a@fast.test")
    running = asyncio.create_task(world.firsts.run())
    await fast.over.wait()
    assert len(world.tried) == 3, "two have all the places of their destination"
    assert shelf.most == 6, "whose body is read brings along those of who waits"
    world.go.set()
    await asyncio.gather(*(each.over.wait() for each in slow))
    assert world.postponed == []
    assert len(world.settled) == 6
    world.draining.set()
    await running
    assert shelf.wanted == []
    assert world.slots.room_for_laters == 8


async def test_some_are_fetched_ahead_of_their_places_and_the_others_are_left_to_others() -> None:
    world = Endless()
    shelf = waiting(world, ahead=10)
    domains = [f"d{number}.test" for number in range(40)]
    world.stuck = set(domains)
    for number, domain in enumerate(domains):
        world.send(f"a@{domain}", tenant_id=str(UUID(int=number + 1)))
    running = asyncio.create_task(world.firsts.run())
    # There are six places.
    await until(lambda: len(world.tried) == 6)
    assert (shelf.most, len(world.bus)) == (10, 30)
    world.go.set()
    await until(lambda: len(world.settled) == 40)
    assert shelf.most <= 16
    world.draining.set()
    await running
    assert (world.postponed, shelf.wanted) == ([], [])


async def test_who_has_waited_for_too_long_goes_into_the_table() -> None:
    world = Endless()
    shelf = waiting(world, seconds=0.0)
    world.stuck = {"slow.test"}
    messages = [world.send(f"a{number}@slow.test") for number in range(6)]
    running = asyncio.create_task(world.firsts.run())
    await until(lambda: len(world.postponed) == 4)
    assert [each.fate for each in messages].count("acknowledged") == 4
    world.go.set()
    world.draining.set()
    await running
    assert shelf.wanted == []


async def test_places_of_later_attempts_do_not_stand_idle_while_letters_wait() -> None:
    world = Endless()
    waiting(world, impatient_seconds=0.0)
    world.stuck = {"slow.test"}
    for number in range(20):
        world.send(f"a{number}@slow.test")
    running = asyncio.create_task(world.firsts.run())
    # Two have all places that first attempts have there.
    await until(lambda: len(world.postponed) == 4)
    async with asyncio.timeout(10):
        # No time passes here: whoever takes what is due is woken, and need not look for it first.
        await world.slots.wait_due(60.0, world.draining)
    assert world.slots.room_for_laters == 6
    world.go.set()
    await until(lambda: len(world.settled) == 16)
    world.draining.set()
    await running


async def test_what_finds_no_room_to_wait_is_put_off_at_once() -> None:
    world = Endless()
    shelf = waiting(world, most=1)
    world.stuck = {"slow.test"}
    for number in range(6):
        world.send(f"a{number}@slow.test")
    running = asyncio.create_task(world.firsts.run())
    await until(lambda: len(world.postponed) == 3)
    world.go.set()
    await until(lambda: len(world.settled) == 3)
    world.draining.set()
    await running
    assert shelf.wanted == []


async def test_what_is_suspended_while_it_waits_is_not_tried() -> None:
    world = Endless()
    waiting(world)
    world.stuck = {"slow.test"}
    messages = [world.send(f"a{number}@slow.test") for number in range(3)]
    running = asyncio.create_task(world.firsts.run())
    await until(lambda: len(world.tried) == 2)
    stopped = Suspension("i", "", "slow.test", "why", "operator", NOW, NOW + timedelta(days=1))
    world.current.now = Rules({("", "slow.test"): stopped}, {}, SCHEDULE)
    world.go.set()
    await asyncio.gather(*(each.over.wait() for each in messages))
    assert len(world.tried) == 2
    assert [each.attempts for each in world.postponed] == [0]
    world.draining.set()
    await running
    assert world.slots.room_for_laters == 8


async def test_who_waits_when_the_process_ends_is_given_back() -> None:
    world = Endless()
    shelf = waiting(world)
    world.stuck = {"slow.test"}
    messages = [world.send(f"a{number}@slow.test") for number in range(4)]
    running = asyncio.create_task(world.firsts.run())
    await until(lambda: len(world.tried) == 2 and shelf.most == 4)
    world.draining.set()
    await until(lambda: [each.fate for each in messages].count("retried") == 2)
    world.go.set()
    await running
    assert [each.fate for each in messages].count("acknowledged") == 2
    assert shelf.wanted == []


async def test_a_letter_that_is_for_later_does_not_wait_for_a_place() -> None:
    world = World()
    waiting(world)
    spooled, _ = letter("a@x.test")
    wishes = Wishes(release_at=NOW + timedelta(hours=1))
    envelope = replace(spooled.envelope, wishes=wishes)
    payload = encode(envelope, envelope.recipients, spooled.body, facts_to_wire(spooled.facts))
    assert decode(payload).envelope.wishes.release_at is not None
    world.bus.append(message := Message(payload))
    await world.firsts.run()
    assert (message.fate, world.tried, len(world.postponed)) == ("acknowledged", [], 1)


class Slow:
    """A message that takes long."""

    def __init__(self, *, broken: bool = False) -> None:
        self.kept = asyncio.Semaphore(0)
        self.broken = broken

    async def keep_working(self) -> None:
        self.kept.release()
        if self.broken:
            raise ConnectionError("away")


async def test_the_bus_is_told_of_all_that_take_longer() -> None:
    keeper = Keeper(0.004)
    running = asyncio.create_task(keeper.run())
    messages = [Slow(broken=True), Slow()]
    for message in messages:
        keeper.enter(message)
    for message in messages:
        for _ in range(2):
            await message.kept.acquire()
    keeper.leave(messages[0])
    silent = messages[0].kept._value
    for _ in range(3):
        await messages[1].kept.acquire()
    assert messages[0].kept._value == silent, "it is over"
    keeper.leave(messages[1])
    keeper.leave(messages[1])
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
