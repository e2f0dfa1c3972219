"""Filing with scanners: where a message goes by what they say, and what happens when they do not answer."""

import asyncio

import pytest
from mda.core.findings import Finding, Verdict, WhenUnscanned
from mda.edge import filing, screening
from mda.ports import ScannerBroke, ScannerUnavailable
from prometheus_client import REGISTRY
from spool import Handling, SpooledLetter

from tests.support.mda_world import BusItem, Says, World, message_of
from tests.support.viruses import clean

CLEAN = clean("clean")
SPAM = CLEAN + b"buy!\r\n"
VIRUS = CLEAN + b"worm!\r\n"
WORDS = {"buy": Verdict.SPAM, "worm": Verdict.VIRUS, "bomb": Verdict.UNSCANNABLE}


def prefix_of(world: World, number: int = 0) -> bytes:
    return message_of(world.deliveries[number]).prefix


async def test_without_scanners_it_is_filed_in_one_batch_unread_and_says_so() -> None:
    world = World()
    items = [world.send(each) for each in (CLEAN, SPAM, VIRUS)]

    def unscanned() -> float:
        return REGISTRY.get_sample_value("mda_messages_unscanned_total", {"reason": "no_scanner"}) or 0.0

    before = unscanned()
    await world.file()
    assert unscanned() == before + 3
    assert [len(batch) for batch in world.batches] == [3]
    assert [item.fate for item in items] == [["acknowledged"]] * 3
    assert world.bodies_read == 0
    assert b"X-Posthouse-Scan: none\r\n" in prefix_of(world)


async def test_each_goes_where_it_belongs_in_one_batch() -> None:
    world = World()
    world.junk_name = "Pourriel"
    good, bad, worst = (world.send(each, accounts=("bob", "carol")) for each in (CLEAN, SPAM, VIRUS))
    await world.file(Says("fake", **WORDS))
    assert [[each.mailbox_name for each in batch] for batch in world.batches] == [
        ["INBOX", "INBOX", "Pourriel", "Pourriel"]
    ]
    assert b"X-Posthouse-Scan: fake; verdict=clean\r\n" in prefix_of(world, 0)
    assert b"X-Posthouse-Scan: fake; verdict=spam; detail=it-says-so\r\nX-Spam-Flag: YES\r\n" in prefix_of(
        world, 2
    )
    assert [item.outcome for item in (good, bad, worst)] == [["acknowledged"]] * 3
    [(content, findings)] = world.held.values()
    assert content == VIRUS
    assert findings == (Finding("fake", Verdict.VIRUS, "it-says-so"),)


@pytest.mark.parametrize("scanners", [(), (Says(),)], ids=["unscanned", "clean"])
async def test_what_the_door_wants_apart_goes_where_junk_goes(scanners: tuple[Says, ...]) -> None:
    world = World()
    world.junk_name = "Pourriel"
    world.send(CLEAN, handling=Handling.QUARANTINE)
    world.send(CLEAN)
    await world.file(*scanners)
    assert sorted(each.mailbox_name for batch in world.batches for each in batch) == ["INBOX", "Pourriel"]


async def test_the_fields_stand_above_the_trace_and_the_body_is_untouched() -> None:
    world = World()
    world.send(CLEAN)
    await world.file(Says())
    names = [line.split(b":")[0] for line in prefix_of(world).split(b"\r\n") if line[:1] not in (b"", b"\t")]
    assert names == [b"Return-Path", b"Delivered-To", b"X-Posthouse-Scan", b"Received"]
    assert message_of(world.deliveries[0]).body.length == len(CLEAN)


async def test_spam_goes_to_inbox_where_there_is_no_junk() -> None:
    world = World()
    world.junk_name = None
    world.send(SPAM)
    await world.file(Says("fake", **WORDS))
    assert world.deliveries[0].mailbox_name == "INBOX"
    assert b"X-Spam-Flag: YES\r\n" in prefix_of(world)


async def test_the_worst_of_several_scanners_decides() -> None:
    world = World()
    world.send(SPAM)
    world.send(SPAM + VIRUS)
    await world.file(Says("a", worm=Verdict.VIRUS), Says("b", buy=Verdict.SPAM))
    assert [each.mailbox_name for each in world.deliveries] == ["Junk"]
    assert len(world.held) == 1


class Down(Says):
    """Away until `comes_back`."""

    is_away = True

    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        if self.is_away:
            raise ScannerUnavailable("connection refused")


async def test_a_message_waits_for_its_scanner_and_is_filed_when_it_is_back() -> None:
    world, scanner = World(), Down("fake", **WORDS)
    good, worst = world.send(CLEAN), world.send(VIRUS)
    rounds = 0

    def between() -> None:
        nonlocal rounds
        rounds += 1
        assert not (world.deliveries and scanner.is_away), "a silent pass"
        scanner.is_away = rounds < 5

    world.between = between
    await world.file(scanner)
    assert good.outcome == ["again"] * 4 + ["acknowledged"]
    assert worst.outcome == good.outcome
    assert (len(world.deliveries), len(world.held)) == (1, 1)


async def test_no_body_is_read_for_a_scanner_that_did_not_answer_a_moment_ago() -> None:
    world = World()
    for _ in range(20):
        world.send(CLEAN)
    scanner = Down()
    await world.file(scanner, scans_at_once=1, pause_seconds=3600.0, rounds=2)
    assert (world.bodies_read, len(scanner.seen), world.deliveries) == (1, 1, [])


async def test_delivered_with_a_mark_where_that_is_the_setting() -> None:
    world = World()
    world.send(CLEAN)
    world.send(CLEAN + b"bomb")
    await world.file(Down("a"), Says("b", **WORDS), when_unscanned=WhenUnscanned.DELIVER_MARKED)
    assert [each.mailbox_name for each in world.deliveries] == ["INBOX", "INBOX"]
    for number, said in enumerate((b"clean", b"unscannable; detail=it-says-so")):
        assert b"X-Posthouse-Scan: a; verdict=unscanned; detail=down\r\n" in prefix_of(world, number)
        assert b"X-Posthouse-Scan: b; verdict=" + said + b"\r\n" in prefix_of(world, number)


async def test_a_virus_is_held_whatever_the_other_scanner_does() -> None:
    world = World()
    world.send(VIRUS)
    await world.file(Down("a"), Says("b", **WORDS))
    assert len(world.held) == 1


async def test_what_cannot_be_looked_through_is_held() -> None:
    world = World()
    item = world.send(CLEAN + b"bomb")
    await world.file(Says("fake", **WORDS))
    assert (item.outcome, len(world.held), world.deliveries) == (["acknowledged"], 1, [])


class Breaks(Says):
    """Dies of one message, and takes with it whatever it has at that moment."""

    def __init__(self, poison: bytes) -> None:
        super().__init__()
        self._poison = poison
        self._deaths = 0

    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        deaths = self._deaths
        if self._poison in content:
            self._deaths += 1
        await asyncio.sleep(0)
        if self._deaths != deaths:
            raise ScannerBroke("connection lost")


async def test_a_message_that_breaks_the_scanner_is_held_after_three_tries_and_no_other() -> None:
    world = World()
    poison = world.send(CLEAN + b"poison")
    others = [world.send(CLEAN) for _ in range(7)]
    # Mail that goes on coming: the scanner answers between its deaths.
    world.between = lambda: others.append(world.send(CLEAN)) if len(others) < 12 else None
    await world.file(Breaks(b"poison"))
    assert poison.outcome == ["again", "again", "acknowledged"]
    [(content, findings)] = world.held.values()
    assert content == CLEAN + b"poison"
    assert (findings[0].verdict, findings[0].detail) == (Verdict.UNSCANNABLE, "breaks-the-scanner")
    assert len(world.deliveries) == len(others)


async def test_a_scanner_that_breaks_on_everything_convicts_nobody() -> None:
    world = World()
    items = [world.send(CLEAN) for _ in range(3)]
    await world.file(Breaks(b"meeting"), rounds=20)
    assert (world.held, world.deliveries) == ({}, [])
    assert all(len(item.outcome) >= 10 and set(item.outcome) == {"again"} for item in items)


class Hangs(Says):
    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        raise ScannerBroke("no answer")

    async def check(self) -> None:
        raise ScannerUnavailable("no answer either")


async def test_one_that_hangs_is_not_asked_for_every_message() -> None:
    world, scanner = World(), Hangs()
    items = [world.send(CLEAN) for _ in range(20)]
    await world.file(scanner, scans_at_once=1, pause_seconds=3600.0, rounds=2)
    assert (len(scanner.seen), world.deliveries, world.held) == (1, [], {})
    assert {word for item in items for word in item.outcome} == {"again"}


class Fails(Says):
    """Has a bug."""

    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        if b"surprise" in content:
            raise KeyError("surprise")


async def test_a_bug_in_a_scanner_is_no_silent_pass_and_stops_nobody() -> None:
    world = World()
    item = world.send(CLEAN + b"surprise")
    others = [world.send(CLEAN)]
    world.between = lambda: others.append(world.send(CLEAN)) if len(others) < 4 else None
    await world.file(Fails())
    assert item.outcome == ["again", "again", "acknowledged"]
    assert (len(world.held), len(world.deliveries)) == (1, len(others))


async def test_a_bug_in_the_quarantine_puts_the_message_aside() -> None:
    world = World()
    item, other = world.send(VIRUS), world.send(CLEAN)

    async def hold(*_: object) -> None:
        raise KeyError("surprise")

    world.hold = hold  # type: ignore[assignment,method-assign]
    await world.file(Says("fake", **WORDS))
    assert (item.outcome, other.outcome) == (["again", "again", "acknowledged"], ["acknowledged"])
    assert (len(world.put_aside_reasons), len(world.deliveries)) == (1, 1)


class Slow(Says):
    """Takes its time for one message, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        if b"slow" in content:
            await self.go_on.wait()


async def test_a_slow_scan_holds_up_nobody_and_shows_signs_of_life() -> None:
    world, scanner = World(), Slow()
    slow, quick = world.send(CLEAN + b"slow"), world.send(CLEAN)

    async def let_go() -> None:
        for _ in range(1_000_000):
            await asyncio.sleep(0)
            if quick.outcome and slow.fate.count("working") >= 2:
                break
        assert not slow.outcome
        scanner.go_on.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(let_go())
        group.create_task(world.file(scanner, hold_seconds=0.01))
    assert (slow.outcome, quick.outcome) == (["acknowledged"], ["acknowledged"])
    assert len(world.batches) == 2


async def test_slow_scans_hold_up_no_later_batch_either() -> None:
    """Two such messages a minute would else stop all mail: so many batches are worked on at once."""
    world, scanner = World(), Slow()
    slow = [world.send(CLEAN + b"slow"), world.send(CLEAN + b"slow too")]
    later: list[BusItem] = []

    def between() -> None:
        if not world.waiting and not later:
            later.append(world.send(CLEAN))
        elif later and later[0].outcome:
            scanner.go_on.set()

    world.between = between
    async with asyncio.timeout(10):
        await world.file(scanner, hold_seconds=0.001, rounds=100_000)
    assert [each.outcome for each in (*slow, *later)] == [["acknowledged"]] * 3
    assert b"slow" not in world.bodies[message_of(world.deliveries[0]).body.object_key]


async def test_of_very_many_slow_scans_the_next_batch_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "SLOW_AT_ONCE", 1)
    world, scanner = World(), Slow()
    slow = [world.send(CLEAN + b"slow"), world.send(CLEAN + b"slow too")]
    asyncio.get_running_loop().call_later(0.02, scanner.go_on.set)
    fetches = 0

    def between() -> None:
        nonlocal fetches
        fetches += not scanner.go_on.is_set()

    world.between = between
    await world.file(scanner, hold_seconds=0.001)
    assert [each.outcome for each in slow] == [["acknowledged"]] * 2
    assert fetches == 1


async def test_suspects_take_one_place_of_all() -> None:
    """They are scanned one by one, and those that wait for that leave the other places to others."""

    class Breaks(Says):
        def __init__(self) -> None:
            super().__init__()
            self.alone = asyncio.Event()

        async def before(self, letter: SpooledLetter, content: bytes) -> None:
            if b"slow" not in content:
                self.alone.set()
            elif letter.envelope.queue_id in broken:
                await self.alone.wait()
            else:
                broken.add(letter.envelope.queue_id)
                raise ScannerBroke("it hangs")

    broken: set[str] = set()
    world, scanner = World(), Breaks()
    slow = [world.send(CLEAN + b"slow %d" % number) for number in range(4)]
    later: list[BusItem] = []

    def between() -> None:
        if len(broken) == 4 and not world.waiting and not later:
            later.append(world.send(CLEAN))

    world.between = between
    async with asyncio.timeout(10):
        await world.file(scanner, scans_at_once=2, hold_seconds=0.001, rounds=100_000)
    assert later[0].outcome == ["acknowledged"]
    assert [each.outcome for each in slow] == [["again", "acknowledged"]] * 4


class Counts(Says):
    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1


@pytest.mark.parametrize("bound", [1, 3])
async def test_so_many_at_once_and_not_more(bound: int) -> None:
    world, scanner = World(), Counts()
    for _ in range(20):
        world.send(CLEAN)
    await world.file(scanner, scans_at_once=bound)
    assert scanner.most == bound
    assert [len(batch) for batch in world.batches] == [20]


async def test_large_ones_go_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "LARGE_OCTETS", len(CLEAN))
    world, scanner = World(), Counts()
    for _ in range(20):
        world.send(CLEAN)
    await world.file(scanner, scans_at_once=10)
    assert scanner.most == screening.LARGE_AT_ONCE


async def test_storage_that_is_away_makes_it_wait() -> None:
    world = World()
    item = world.send(CLEAN)
    world.bodies_away = True
    rounds = iter(range(100))
    world.between = lambda: setattr(world, "bodies_away", next(rounds) < 5)
    await world.file(Says())
    assert item.outcome == ["again"] * 5 + ["acknowledged"]
    assert len(world.deliveries) == 1


async def test_what_a_deleted_key_encrypted_is_looked_at_by_nobody_and_put_aside_for_nobody() -> None:
    world, scanner = World(), Says("fake", **WORDS)
    item = world.send(VIRUS)
    world.bodies_shredded = True
    await world.file(scanner)
    assert (item.outcome, scanner.seen, world.put_aside_reasons) == (["acknowledged"], [], [])
    assert len(world.deliveries) == 1


async def test_a_quarantine_that_is_away_makes_it_wait() -> None:
    world = World()
    item = world.send(VIRUS)
    world.holds_away = 2
    await world.file(Says("fake", **WORDS))
    assert item.outcome == ["again", "again", "acknowledged"]
    assert len(world.held) == 1


@pytest.mark.parametrize("body", [None, CLEAN[:-1] + b"?"], ids=["gone", "altered"])
async def test_a_body_that_is_not_what_was_stored_is_never_filed(body: bytes | None) -> None:
    world = World()
    item = world.send(CLEAN)
    [key] = world.bodies
    if body is None:
        del world.bodies[key]
    else:
        world.bodies[key] = body
    scanner = Says()
    await world.file(scanner)
    assert (item.outcome, scanner.seen, world.deliveries) == (["again", "again", "acknowledged"], [], [])
    assert "cannot be read" in world.put_aside_reasons[0]
