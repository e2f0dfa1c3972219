"""Letters of packs: settled one by one, acknowledged together, and what comes again is not all of it."""

from collections import deque
from collections.abc import Sequence

from spool import Unpacking
from spool.pack import LETTERS, pack


class Message:
    def __init__(self, sequence: int, payload: bytes, deliveries: int = 1) -> None:
        self.sequence = sequence
        self.payload = payload
        self.deliveries = deliveries
        self.told: list[str] = []

    async def acknowledge(self) -> None:
        self.told.append("acknowledged")

    async def retry_later(self, delay_seconds: float) -> None:
        self.told.append(f"again in {delay_seconds:g}")

    async def keep_working(self) -> None:
        self.told.append("working")


class Source:
    def __init__(self, *messages: Message) -> None:
        self.waiting = deque(messages)
        self.waits: list[float] = []

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[Message]:
        self.waits.append(wait_seconds)
        return [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]


THREE = pack([b"\x0aone", b"\x0atwo", b"\x0athree"])


async def test_a_pack_is_acknowledged_when_all_of_it_is_settled() -> None:
    message = Message(7, THREE)
    letters = await Unpacking(Source(message)).fetch(256, 1.0)
    assert [each.payload for each in letters] == [b"\x0aone", b"\x0atwo", b"\x0athree"]
    for each in letters[:2]:
        await each.acknowledge()
    assert message.told == []
    await letters[2].acknowledge()
    assert message.told == ["acknowledged"]


async def test_what_was_settled_of_a_pack_is_left_out_when_it_comes_again() -> None:
    first, again = Message(7, THREE), Message(7, THREE, deliveries=2)
    source = Source(first)
    unpacking = Unpacking(source)
    one, two, three = await unpacking.fetch(256, 1.0)
    await one.retry_later(30.0)
    await two.acknowledge()
    await three.retry_later(5.0)
    assert first.told == ["again in 5"], "as early as its most impatient letter"
    source.waiting.append(again)
    one, three = await unpacking.fetch(256, 1.0)
    assert (one.payload, three.payload, one.deliveries) == (b"\x0aone", b"\x0athree", 2)
    await one.acknowledge()
    await three.acknowledge()
    assert again.told == ["acknowledged"]


async def test_another_process_gets_the_whole_pack() -> None:
    [_, _, _] = await Unpacking(Source(Message(7, THREE, deliveries=2))).fetch(256, 1.0)


async def test_a_single_letter_is_the_message_of_the_bus_itself() -> None:
    message = Message(1, b"\x0aone")
    assert await Unpacking(Source(message)).fetch(256, 1.0) == [message]


async def test_a_batch_is_filled_without_waiting_and_not_overfilled() -> None:
    source = Source(*(Message(number, pack([b"\x0a%d" % n for n in range(LETTERS)])) for number in range(10)))
    letters = await Unpacking(source).fetch(LETTERS * 4, 1.0)
    assert len(letters) == LETTERS * 4
    assert source.waits[1:] == [0.0] * (len(source.waits) - 1)
    assert len(source.waiting) == 6


async def test_a_broken_pack_is_left_to_who_decodes() -> None:
    broken = Message(1, THREE[:-3])
    assert await Unpacking(Source(broken)).fetch(256, 1.0) == [broken]


async def test_the_bus_is_not_told_of_every_letter_that_takes_longer() -> None:
    message = Message(7, THREE)
    for each in await Unpacking(Source(message)).fetch(256, 1.0):
        await each.keep_working()
    assert message.told == ["working"]


async def test_who_settles_a_letter_twice_does_not_settle_its_neighbour() -> None:
    message = Message(7, THREE)
    one, two, three = await Unpacking(Source(message)).fetch(256, 1.0)
    await one.acknowledge()
    await one.acknowledge()
    await two.retry_later(1.0)
    await two.acknowledge()
    await two.retry_later(9.0)
    assert message.told == []
    await three.acknowledge()
    await three.acknowledge()
    assert message.told == ["acknowledged"]


async def test_a_stream_that_was_made_again_gives_old_places_to_other_packs() -> None:
    old, new = Message(7, THREE), Message(7, pack([b"\x0afour", b"\x0afive", b"\x0asix"]), deliveries=2)
    source = Source(old)
    unpacking = Unpacking(source)
    one, two, three = await unpacking.fetch(256, 1.0)
    await one.acknowledge()
    await two.acknowledge()
    await three.retry_later(5.0)
    source.waiting.append(new)
    letters = await unpacking.fetch(256, 1.0)
    assert [each.payload for each in letters] == [b"\x0afour", b"\x0afive", b"\x0asix"]
