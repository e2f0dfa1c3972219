"""What is written together, and bodies that are read together."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from blobstore import BlobUnavailable, BodyReference
from mta_queue.adapters.bodies import RUN_MOST_OCTETS, SMALL_OCTETS, Bodies
from mta_queue.adapters.together import Together
from pgkit import DatabaseUnavailable


class Writer:
    """Remembers batches; the next one waits for `go`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.bad: set[int] = set()
        self.away = False

    async def write(self, entries: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(entries))
        await self.go.wait()
        if self.away:
            raise DatabaseUnavailable("away")
        if self.bad & set(entries):
            raise ValueError("bad")
        return [-entry for entry in entries]


async def test_what_comes_during_a_write_is_written_with_the_next_one() -> None:
    writer = Writer()
    together = Together(writer.write, 3)
    first = asyncio.create_task(together.do(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(together.do(number)) for number in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    assert writer.batches == [[1]]
    writer.go.set()
    assert await asyncio.gather(first, *others) == [-1, -2, -3, -4, -5]
    assert writer.batches == [[1], [2, 3, 4], [5]]


async def test_one_bad_entry_spoils_no_other() -> None:
    writer = Writer()
    writer.bad = {2}
    writer.go.set()
    together = Together(writer.write, 8)
    answers = await asyncio.gather(*(together.do(number) for number in (1, 2, 3)), return_exceptions=True)
    assert answers[0] == -1
    assert answers[2] == -3
    assert isinstance(answers[1], ValueError)


async def test_while_the_database_is_away_all_are_told() -> None:
    writer = Writer()
    writer.away = True
    writer.go.set()
    together = Together(writer.write, 8)
    answers = await asyncio.gather(*(together.do(number) for number in (1, 2)), return_exceptions=True)
    assert all(isinstance(each, DatabaseUnavailable) for each in answers)
    writer.away = False
    assert await together.do(3) == -3


async def test_who_goes_away_takes_nobody_along() -> None:
    writer = Writer()
    together = Together(writer.write, 8)
    leaving, staying = (asyncio.create_task(together.do(number)) for number in (1, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    writer.go.set()
    assert await staying == -2


class Blobs:
    """One object of growing octets; counts what is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.away = False

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        await asyncio.sleep(0)
        if self.away:
            self.away = False
            raise BlobUnavailable("away")
        return bytes((offset + each) % 251 for each in range(length))


def place(offset: int, length: int = 100) -> BodyReference:
    return BodyReference("k", offset, length, b"")


async def read(bodies: Bodies, references: list[BodyReference]) -> list[bytes | BaseException]:
    async def one(body: BodyReference) -> bytes:
        with bodies.wanted(body):
            await asyncio.sleep(0)
            return await bodies.read(body)

    return await asyncio.gather(*(one(body) for body in references), return_exceptions=True)


async def test_bodies_that_lie_together_are_read_together() -> None:
    blobs = Blobs()
    bodies = Bodies(cast(Any, blobs))
    references = [place(1000), place(0), place(500), place(500)]
    found = await read(bodies, references)
    assert found == [bytes((each.offset + n) % 251 for n in range(each.length)) for each in references]
    assert blobs.asked == [(0, 1100)]
    # Nothing is kept.
    assert bodies._objects == {}


@pytest.mark.parametrize("other", [place(50_000), place(10, SMALL_OCTETS + 1), place(RUN_MOST_OCTETS)])
async def test_what_lies_far_apart_or_is_big_is_read_alone(other: BodyReference) -> None:
    blobs = Blobs()
    await read(Bodies(cast(Any, blobs)), [place(0), other])
    assert sorted(blobs.asked) == sorted([(0, 100), (other.offset, other.length)])


async def test_where_reading_together_fails_each_is_read_alone() -> None:
    blobs = Blobs()
    blobs.away = True
    found = await read(Bodies(cast(Any, blobs)), [place(0), place(200)])
    assert all(isinstance(each, bytes) for each in found)
    assert blobs.asked == [(0, 300), (0, 100), (200, 100)]
