"""One write at a time; what comes meanwhile goes together, and everybody hears what became of his."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest
from directory.adapters.gathering import Gathering


class Pen:
    """Writes when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.fails = False

    async def write(self, given: Sequence[str]) -> None:
        self.batches.append(list(given))
        await self.gate.wait()
        if self.fails:
            raise ConnectionError


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_meanwhile_goes_together() -> None:
    pen = Pen()
    gathering = Gathering(pen.write)
    first = asyncio.create_task(gathering.give("a"))
    await settle()
    others = [asyncio.create_task(gathering.give(each)) for each in "bcd"]
    await settle()
    assert pen.batches == [["a"]]
    others[1].cancel()
    pen.gate.set()
    await asyncio.gather(first, others[0], others[2])
    assert pen.batches == [["a"], ["b", "c", "d"]], "what was given counts, also of one who left"
    await gathering.give("e")
    assert pen.batches[-1] == ["e"]


async def test_everybody_of_a_batch_hears_that_it_failed_and_the_next_is_tried() -> None:
    pen = Pen()
    gathering = Gathering(pen.write)
    pen.fails = True
    given = [asyncio.create_task(gathering.give(each)) for each in "ab"]
    await settle()
    pen.gate.set()
    outcomes = await asyncio.gather(*given, return_exceptions=True)
    assert [type(each) for each in outcomes] == [ConnectionError, ConnectionError]
    pen.fails = False
    await gathering.give("c")
    assert pen.batches[-1] == ["c"]


async def test_one_who_gives_and_is_cancelled_leaves_nobody_hanging() -> None:
    pen = Pen()
    gathering = Gathering(pen.write)
    first = asyncio.create_task(gathering.give("a"))
    await settle()
    second = asyncio.create_task(gathering.give("b"))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    pen.gate.set()
    await second
    assert pen.batches == [["a"], ["b"]]


async def test_what_is_written_together_has_nobodys_walls() -> None:
    seen: list[str] = []
    whose: ContextVar[str] = ContextVar("whose", default="nobody")

    async def write(batch: Sequence[int]) -> None:
        seen.append(f"{whose.get()} {len(batch)}")

    gathering: Gathering[int] = Gathering(write)
    whose.set("the first one")
    await asyncio.gather(*(gathering.give(number) for number in range(3)))
    assert {each.partition(" ")[0] for each in seen} == {"nobody"}
