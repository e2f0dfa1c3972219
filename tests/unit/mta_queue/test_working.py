"""First and later attempts with everything around them in memory: what is tried, put off, recorded, told."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from eventbus import BusMessage
from mailproto.smtp.reply import Reply
from mta_queue.core.attempt import Attempt, Delivery
from mta_queue.core.outcome import Outcome, Verdict, all_alike
from mta_queue.core.rules import Rules, Suspension
from mta_queue.core.schedule import Schedule
from mta_queue.core.shaping import OPEN, NotNow, Passage
from mta_queue.core.turns import Caps, Lane
from mta_queue.edge.attempts import Attempts
from mta_queue.edge.copies import Copies
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.firsts import Firsts
from mta_queue.edge.laters import Laters
from mta_queue.edge.slots import Slots
from mta_queue.ports import Due, Item, Part, Postponed, PutOff, Taken, TakenOver
from pgkit import DatabaseUnavailable
from spool import OwnCopies, SpooledLetter, decode
from spool.codec import encode, facts_to_wire

from tests.support.queued import letter

NOW = datetime.now(UTC)
OK = Reply.of(250, "2.0.0", "ok")
LATER = Reply.of(451, "4.2.1", "later")
SCHEDULE = Schedule(300.0, 3600.0, 432_000.0, warn_seconds=14_400.0)


_item_ids = itertools.count(1)


class Message:
    """Satisfies what is used of BusMessage."""

    def __init__(self, payload: bytes, deliveries: int = 1) -> None:
        self.payload = payload
        self.deliveries = deliveries
        self.fate = ""
        self.over = asyncio.Event()

    async def acknowledge(self) -> None:
        self.fate = "acknowledged"
        self.over.set()

    async def retry_later(self, delay_seconds: float) -> None:
        self.fate = "retried"

    async def keep_working(self) -> None:
        pass


class World:
    """The ports, in memory. `replies` by domain; a domain in `stuck` answers when `go` is set."""

    def __init__(self, *, lease_seconds: float = 60.0) -> None:
        self.draining = asyncio.Event()
        self.go = asyncio.Event()
        self.bus: deque[Message] = deque()
        self.due: deque[Item] = deque()
        self.replies: dict[str, Reply | Exception] = {}
        self.stuck: set[str] = set()
        self.dead_until: dict[str, datetime] = {}
        self.settled_before: set[str] = set()
        self.tried: list[tuple[str, tuple[str, ...]]] = []
        self.settled: list[Outcome] = []
        self.postponed: list[Postponed] = []
        self.together: list[int] = []
        self.retried: list[tuple[Item, datetime | None]] = []
        self.told: list[Due] = []
        self.paused: list[tuple[str, datetime]] = []
        self.renewed: list[list[str]] = []
        self.last_order = 0
        self.full: dict[str, datetime] = {}
        self.inside = 0
        self.suppressed: set[str] = set()
        self.learnt: list[Outcome] = []
        self.put_backs: list[tuple[str, datetime]] = []
        self.forgotten = 0
        self.database_away = False
        self.unwritten: set[str] = set()
        self.takings: list[TakenOver] = []
        # So many recipients are asked for at once.
        self.at_once = 1000
        self.parts: list[tuple[tuple[str, ...], bool]] = []
        self.lease_lost = False
        self.answers: dict[str, Reply | Exception] = {}
        self.rules = Rules({}, {}, SCHEDULE)
        self.slots = Slots(8, Caps(a_destination=2, a_tenant=4))
        world = cast(Any, self)
        current = CurrentRules(self._load, self.rules)
        attempts = Attempts(world, world, world, world, current, world, world)
        self.current = current
        self.firsts = Firsts(
            world, world, attempts, world, self.slots, current, self.draining, keep_seconds=20.0
        )
        self.laters = Laters(
            world,
            world,
            attempts,
            self.slots,
            current,
            self.draining,
            lease_seconds=lease_seconds,
            poll_seconds=0.01,
        )

    async def _load(self) -> Rules:
        return self.rules

    def send(self, *recipients: str, tenant_id: str = "", deliveries: int = 1) -> Message:
        message = Message(letter(*recipients, tenant_id=tenant_id)[1], deliveries)
        self.bus.append(message)
        return message

    # -- the bus

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusMessage]:
        if not self.bus:
            self.draining.set()
        found = [self.bus.popleft() for _ in range(min(limit, len(self.bus)))]
        await asyncio.sleep(0)
        return cast(Sequence[BusMessage], found)

    # -- other systems

    async def deliver(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str = "",
        passage: Passage = OPEN,
    ) -> Delivery:
        self.tried.append((domain, recipients))
        if domain in self.stuck:
            await self.go.wait()
        reply = self.answers.get(recipients[0]) or self.replies.get(domain, OK)
        if isinstance(reply, Exception):
            raise reply
        now, rest = recipients[: self.at_once], recipients[self.at_once :]
        return Delivery(all_alike(now, reply, "mx"), [], self.dead_until.get(domain), rest)

    def forget(self) -> None:
        self.forgotten += 1

    async def instead(self, *_: object) -> None:
        return None

    # -- addresses on the list fail at once

    async def refused(self, tenant_id: str, recipients: Sequence[str]) -> list[Outcome]:
        found = [each for each in recipients if each in self.suppressed]
        return all_alike(tuple(found), Reply.of(550, "5.1.0", "Suppressed: manual"))

    async def learn(self, envelope: object, settled: Sequence[Outcome]) -> None:
        self.learnt += settled

    # -- what sites may have: a domain in `full` has it all until then

    async def enter(self, rules: Rules, tenant_id: str, domain: str, route: str = "") -> Passage:
        if domain in self.full:
            raise NotNow(self.full[domain], "full")
        self.inside += 1
        return OPEN

    def leave(self, passage: Passage) -> None:
        self.inside -= 1

    async def heard(self, passage: Passage, domain: str, route: str, attempts: Sequence[Attempt]) -> bool:
        return False

    async def put_back(self, item: Item, until: datetime) -> None:
        self.put_backs.append((item.domain, until))

    # -- the table

    async def known(self, tenant_id: str, queue_id: str) -> set[str]:
        return self.settled_before

    async def record_first(
        self,
        letter: SpooledLetter,
        payload: bytes,
        settled: Sequence[Outcome],
        postponed: Sequence[Postponed],
        attempts: Sequence[Attempt],
        taken: TakenOver = TakenOver.NOW,
    ) -> None:
        if self.database_away or any(each.address in self.unwritten for each in settled):
            raise DatabaseUnavailable("away")
        self.takings.append(taken)
        self.settled += settled
        self.postponed += postponed

    async def put_off(self, untried: Sequence[PutOff]) -> None:
        if self.database_away:
            raise DatabaseUnavailable("away")
        self.together.append(len(untried))
        self.takings += [each.taken for each in untried]
        self.postponed += [each.postponed for each in untried]

    async def record_retry(
        self,
        item: Item,
        settled: Sequence[Outcome],
        waiting: Sequence[Outcome],
        next_attempt_at: datetime | None,
        attempts: Sequence[Attempt],
    ) -> bool:
        self.settled += settled
        self.retried.append((item, next_attempt_at if waiting else None))
        return True

    async def record_part(self, item: Item, part: Part, now: datetime) -> bool:
        self.settled += part.settled
        self.parts.append((tuple(each.address for each in part.waiting), part.kept_until is not None))
        return not self.lease_lost

    async def take(self, room: int, *_: object) -> Taken | None:
        if not self.due:
            self.draining.set()
        return Taken(
            [self.due.popleft() for _ in range(min(room, len(self.due)))], False, False, self.last_order
        )

    async def renew(self, items: Sequence[Item], until: datetime) -> None:
        self.renewed.append([item.domain for item in items])
        self.go.set()

    async def pause(
        self, domain: str, until: datetime, tenant_id: str = "", but_of: Sequence[str] = ()
    ) -> None:
        self.paused.append((domain, until))

    # -- notices

    async def make(self, due: Due) -> None:
        self.told.append(due)


def item(domain: str, expires_at: datetime = NOW + timedelta(days=5)) -> Item:
    spooled, payload = letter(f"a@{domain}")
    return Item(next(_item_ids), spooled, payload, domain, (f"a@{domain}",), 1, expires_at, 1, "")


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to that")


async def test_each_recipient_has_its_fate() -> None:
    world = World()
    world.replies = {"later.test": LATER, "no.test": Reply.of(550, "5.1.1", "nobody")}
    message = world.send("a@ok.test", "b@later.test", "c@no.test", "d@later.test")
    await world.firsts.run()
    assert message.fate == "acknowledged"
    assert {each.address: each.verdict for each in world.settled} == {
        "a@ok.test": Verdict.DELIVERED,
        "c@no.test": Verdict.FAILED,
    }
    [waits] = world.postponed
    assert (waits.recipients, waits.attempts, waits.last_host) == (("b@later.test", "d@later.test"), 1, "mx")
    assert [each.address for each in decode(waits.payload).envelope.recipients] == list(waits.recipients)
    assert waits.next_attempt_at < waits.expires_at
    assert waits.warn_at is not None
    assert [outcome.address for due in world.told for outcome in due.outcomes] == ["c@no.test"]


async def test_what_finds_no_place_is_put_off_together_and_stops_nobody() -> None:
    world = World()
    world.stuck = {"slow.test"}
    messages = [world.send(f"a{number}@slow.test") for number in range(30)]
    other = world.send("a@fast.test")
    running = asyncio.create_task(world.firsts.run())
    await other.over.wait()
    assert [message.fate for message in messages].count("acknowledged") == 28, "untried, in the table"
    assert world.together == [4, 4, 20], "a burst is noticed"
    assert {(each.attempts, each.replies) for each in world.postponed} == {(0, ("",))}
    world.go.set()
    await running
    assert [message.fate for message in messages].count("acknowledged") == 30
    assert world.slots.room_for_laters == 8


async def test_what_is_suspended_is_put_off() -> None:
    world = World()
    stopped = Suspension("i", "", "stop.test", "why", "operator", NOW, None)
    world.rules = Rules({("", "stop.test"): stopped}, {}, SCHEDULE)
    await world.current.reload()
    message = world.send("a@stop.test", "b@go.test")
    await world.firsts.run()
    assert message.fate == "acknowledged"
    assert world.tried == [("go.test", ("b@go.test",))]
    assert [(each.domain, each.attempts) for each in world.postponed] == [("stop.test", 0)]


async def test_a_repetition_tries_only_what_is_not_settled() -> None:
    world = World()
    world.settled_before = {"a@ok.test"}
    message = world.send("a@ok.test", "b@ok.test", deliveries=2)
    await world.firsts.run()
    assert (message.fate, world.tried) == ("acknowledged", [("ok.test", ("b@ok.test",))])


@pytest.mark.parametrize("domain", ["ok.test", "stuck"])
async def test_without_the_database_nothing_is_acknowledged(domain: str) -> None:
    world = World()
    world.database_away = True
    for _ in range(2):
        world.slots.enter_first(Lane("other", "stuck"))
    message = world.send(f"a@{domain}")
    await world.firsts.run()
    assert message.fate == "retried"


async def test_a_fault_of_ours_waits_like_any_other_failure() -> None:
    world = World()
    world.replies = {"bug.test": RuntimeError("a bug")}
    message = world.send("a@bug.test")
    await world.firsts.run()
    assert message.fate == "acknowledged"
    assert [each.replies for each in world.postponed] == [("451 Something went wrong here",)]


async def test_later_attempts_end_or_wait_on() -> None:
    world = World()
    world.replies = {"later.test": LATER, "over.test": LATER}
    world.due.extend([item("ok.test"), item("later.test"), item("over.test", NOW - timedelta(seconds=1))])
    before = datetime.now(UTC)
    await world.laters.run()
    nexts = {each.domain: at for each, at in world.retried}
    assert nexts["ok.test"] is None
    assert nexts["over.test"] is None
    wait = nexts["later.test"]
    assert wait is not None
    assert before + timedelta(minutes=8) <= wait <= datetime.now(UTC) + timedelta(minutes=12), (
        "the second wait is twice the first"
    )
    assert {each.address: each.status for each in world.settled} == {
        "a@ok.test": "2.0.0",
        "a@over.test": "5.4.7",
    }
    assert world.slots.room_for_laters == 8


async def test_a_lease_is_renewed_as_long_as_it_takes() -> None:
    world = World(lease_seconds=0.003)
    world.stuck = {"slow.test"}
    world.due.append(item("slow.test"))
    await world.laters.run()
    assert world.renewed[0] == ["slow.test"], "and only then it went on"
    assert [each.verdict for each in world.settled] == [Verdict.DELIVERED]


async def test_what_comes_for_a_destination_that_is_away_is_put_off_until_it_may_be_there() -> None:
    world = World()
    until = datetime.now(UTC) + timedelta(minutes=1)
    world.replies, world.dead_until = {"dead.test": LATER}, {"dead.test": until}
    world.send("a@dead.test")
    await world.firsts.run()
    world.draining.clear()
    for number in range(5):
        world.send(f"b{number}@dead.test")
    await world.firsts.run()
    assert world.tried == [("dead.test", ("a@dead.test",))]
    assert [each.next_attempt_at for each in world.postponed[1:]] == [until] * 5


async def test_an_order_of_the_operator_makes_us_try_what_was_away() -> None:
    world = World()
    world.replies, world.dead_until = {"dead.test": LATER}, {"dead.test": NOW + timedelta(minutes=1)}
    world.due.append(item("dead.test"))
    await world.laters.run()
    assert world.forgotten == 0
    world.draining.clear()
    world.last_order = 7
    world.due.append(item("dead.test"))
    await world.laters.run()
    assert world.forgotten == 1
    assert len(world.paused) == 2, "found away again"


async def test_a_destination_that_is_away_is_paused_once() -> None:
    world = World()
    until = NOW + timedelta(minutes=1)
    world.replies = {"dead.test": LATER}
    world.dead_until = {"dead.test": until}
    world.due.extend([item("dead.test"), item("dead.test"), item("ok.test")])
    await world.laters.run()
    assert world.paused == [("dead.test", until)]


def test_first_attempts_leave_places_to_later_ones() -> None:
    slots = Slots(8, Caps(a_destination=8, a_tenant=8))
    taken = [slots.enter_first(Lane("a", f"d{number}")) for number in range(8)]
    assert taken.count(True) == 6
    assert slots.room_for_laters == 2


def test_first_attempts_leave_places_of_each_destination_too() -> None:
    slots = Slots(100, Caps(a_destination=20, a_tenant=50))
    assert [slots.enter_first(Lane(f"t{number}", "x")) for number in range(20)].count(True) == 15


def test_caps_count_first_and_later_attempts_together() -> None:
    slots = Slots(8, Caps(a_destination=2, a_tenant=3))
    slots.enter_later(Lane("a", "x"))
    assert slots.enter_first(Lane("b", "x"))
    assert not slots.enter_first(Lane("c", "x"))
    slots.leave_later(Lane("a", "x"))
    assert slots.enter_first(Lane("c", "x"))


def test_a_tenant_has_a_share_as_long_as_some_lane_of_it_may_have_a_place() -> None:
    slots = Slots(100, Caps(a_destination=100, a_tenant=8))
    for number in range(4):
        slots.enter_later(Lane("a", f"l{number}"))
    taken = 0
    while slots.has_share("a"):
        assert slots.enter_first(Lane("a", f"d{taken}"))
        taken += 1
    assert not slots.enter_first(Lane("a", "another"))
    assert taken == 4
    assert slots.has_share("b")
    slots.leave_later(Lane("a", "l0"))
    assert slots.has_share("a")


async def test_what_its_site_refuses_waits_untried_and_the_rest_goes_on() -> None:
    world = World()
    until = NOW + timedelta(minutes=3)
    world.full = {"full.test": until}
    message = world.send("a@full.test", "b@other.test")
    await world.firsts.run()
    assert message.fate == "acknowledged"
    assert world.tried == [("other.test", ("b@other.test",))]
    [waits] = world.postponed
    assert (waits.domain, waits.attempts, waits.next_attempt_at) == ("full.test", 0, until)
    assert world.inside == 0


async def test_a_later_attempt_that_its_site_refuses_is_put_back_uncounted() -> None:
    world = World()
    until = NOW + timedelta(minutes=3)
    world.full = {"full.test": until}
    world.due.append(item("full.test"))
    await world.laters.run()
    assert world.put_backs == [("full.test", until)]
    assert world.tried == []
    assert world.retried == []


async def test_suppressed_recipients_fail_without_an_attempt_and_the_others_are_tried() -> None:
    world = World()
    world.rules = Rules({}, {}, SCHEDULE, suppresses=True)
    world.current.now = world.rules
    world.suppressed = {"gone@a.test", "gone@b.test"}
    world.send("gone@a.test", "here@a.test", "gone@b.test")
    await world.firsts.run()
    assert world.tried == [("a.test", ("here@a.test",))]
    fates = {each.address: each.reply.code for each in world.settled}
    assert fates == {"gone@a.test": 550, "here@a.test": 250, "gone@b.test": 550}
    assert world.told, "the sender is told"


def copies(*names: str) -> Item:
    """Recipients who each get a copy of their own."""
    recipients = tuple(f"{name}@many.test" for name in names)
    spooled, payload = letter(*recipients)
    own = OwnCopies("news+b-<>@ours.test")
    spooled = replace(spooled, envelope=replace(spooled.envelope, own_copies=own))
    expires_at = NOW + timedelta(days=5)
    return Item(next(_item_ids), spooled, payload, "many.test", recipients, 1, expires_at, 1, "")


async def test_copies_of_their_own_are_sent_one_by_one_and_each_is_written_down_before_the_next() -> None:
    world = World()
    # No room for several at once.
    world.slots = world.laters._slots = Slots(8, Caps(a_destination=1, a_tenant=1))
    world.answers = {
        "b@many.test": Reply.of(450, "4.2.2", "full"),
        "c@many.test": Reply.of(550, "5.1.1", "no"),
    }
    world.due.append(copies("a", "b", "c", "d"))
    await world.laters.run()
    assert world.tried == [("many.test", (f"{name}@many.test",)) for name in "abcd"]
    b, c, d = (f"{name}@many.test" for name in "bcd")
    assert world.parts == [((b, c, d), True), ((b, c, d), True), ((b, d), True), ((b,), True)]
    [(_, next_attempt_at)] = world.retried
    assert next_attempt_at is not None, "b waits on"
    assert [each.address[0] for each in world.settled] == ["a", "c", "d"]
    assert world.slots.room_for_laters == 8


async def test_where_there_is_room_several_copies_are_under_way_and_written_together() -> None:
    world = World()
    world.stuck = {"many.test"}
    world.due.append(copies(*"abcdefgh"))
    running = asyncio.create_task(world.laters.run())
    while len(world.tried) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert world.slots.room_for_laters == 6, "two at a destination"
    world.go.set()
    await running
    assert sorted(each.address[0] for each in world.settled) == list("abcdefgh")
    assert world.parts[-1] == ((), True), "the item has ended"
    assert world.retried == []
    assert world.slots.room_for_laters == 8


async def test_a_system_that_is_unwell_is_not_asked_for_each_copy() -> None:
    world = World()
    world.answers = {"b@many.test": Reply.of(421, "4.3.2", "closing")}
    world.due.append(copies(*"abcdefgh"))
    await world.laters.run()
    tried = {each[0][0] for _, each in world.tried}
    assert {"a", "b"} <= tried <= {"a", "b", "c"}
    assert {each.address[0] for each in world.settled} == tried - {"b"}
    [(_, next_attempt_at)] = world.retried
    assert next_attempt_at is not None


async def test_a_lost_lease_ends_the_copies_and_a_site_that_has_enough_gives_the_rest_back() -> None:
    world = World()
    world.lease_lost = True
    world.due.append(copies(*"abcdefgh"))
    await world.laters.run()
    assert len(world.tried) <= 3
    assert world.retried == []
    world = World()
    world.full = {"many.test": NOW + timedelta(minutes=1)}
    world.due.append(copies("a", "b"))
    await world.laters.run()
    assert (world.tried, world.put_backs) == ([], [("many.test", NOW + timedelta(minutes=1))])


async def test_a_fault_of_one_copy_breaks_no_other_off() -> None:
    world = World()
    sent: list[str] = []

    async def send(address: str) -> Delivery:
        await asyncio.sleep(0)
        if address[0] == "a":
            raise DatabaseUnavailable("away")
        sent.append(address[0])
        return Delivery(all_alike((address,), OK, "mx"), [])

    async def write(part: Part) -> bool:
        return await world.record_part(cast(Any, None), part, NOW)

    item = copies(*"abcd")
    with pytest.raises(DatabaseUnavailable):
        await Copies(item, send, write, lambda: NOW, asyncio.Event()).attempt(2)
    assert sent == [each.address[0] for each in world.settled] == ["b"]
    assert world.parts[-1][0] == ("a@many.test", "c@many.test", "d@many.test")


async def test_the_drain_ends_between_two_copies() -> None:
    world = World()
    world.stuck = {"many.test"}
    world.due.append(copies(*"abcde"))
    running = asyncio.create_task(world.laters.run())
    while len(world.tried) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    world.draining.set()
    world.go.set()
    await running
    rest = tuple(f"{name}@many.test" for name in "cde")
    assert world.parts[-1] == (rest, False), "given back"
    assert world.retried == []


async def test_copies_of_their_own_for_one_domain_wait_for_their_turn_in_the_table() -> None:
    world = World()
    both = copies("a", "b")
    body = both.letter.body
    for recipients in (both.letter.envelope.recipients, both.letter.envelope.recipients[:1]):
        payload = encode(both.letter.envelope, recipients, body, facts_to_wire(both.letter.facts))
        world.bus.append(Message(payload))
    await world.firsts.run()
    assert world.tried == [("many.test", ("a@many.test",))], "the one that goes to one only"
    [waits] = world.postponed
    assert (waits.recipients, waits.attempts) == (("a@many.test", "b@many.test"), 0)
    assert decode(waits.payload).envelope.own_copies is not None
