"""The line before the threads: rank, the order of coming, who is sent away, and nothing lost to those who leave."""

import asyncio
import threading

import pytest
from directory.edge.hashing import Crowded, Hashing
from directory.edge.turns import Turns


class Work:
    """Hashes that take as long as the test says."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gate = threading.Event()

    def hold(self) -> None:
        self.gate.wait(10)

    def note(self, name: str) -> str:
        self.done.append(name)
        return name


@pytest.fixture
def work() -> Work:
    return Work()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_likeliest_go_first_and_equals_as_they_came(work: Work) -> None:
    hashing = Hashing(1)
    holder = asyncio.create_task(hashing.run(0, work.hold))
    await settle()
    others = []
    for rank, name in ((2, "c"), (1, "b1"), (1, "b2"), (0, "a"), (2, "d")):
        others.append(asyncio.create_task(hashing.run(rank, work.note, name)))
        await settle()
    work.gate.set()
    assert await asyncio.gather(*others) == ["c", "b1", "b2", "a", "d"]
    assert work.done == ["a", "b1", "b2", "c", "d"]
    await holder
    hashing.close()


async def test_when_too_many_wait_the_worst_is_sent_away(work: Work) -> None:
    hashing = Hashing(1, strangers=2)
    holder = asyncio.create_task(hashing.run(0, work.hold))
    await settle()
    others = []
    for rank, name in ((1, "kept"), (3, "worse"), (2, "better"), (9, "worst")):
        others.append(asyncio.create_task(hashing.run(rank, work.note, name)))
        await settle()
    work.gate.set()
    outcomes = await asyncio.gather(*others, return_exceptions=True)
    assert [type(each) for each in outcomes] == [str, Crowded, str, Crowded]
    assert work.done == ["kept", "better"]
    await holder
    hashing.close()


async def test_whom_we_know_is_not_sent_away_for_strangers(work: Work) -> None:
    hashing = Hashing(1, strangers=1, most_waiting=4)
    holder = asyncio.create_task(hashing.run(0, work.hold))
    await settle()
    others = []
    for rank, name in ((0, "a"), (5, "stranger"), (0, "b"), (0, "c"), (0, "d"), (0, "e")):
        others.append(asyncio.create_task(hashing.run(rank, work.note, name)))
        await settle()
    work.gate.set()
    outcomes = await asyncio.gather(*others, return_exceptions=True)
    assert [type(each) for each in outcomes] == [str, Crowded, str, str, str, Crowded]
    await holder
    hashing.close()


async def test_in_a_crowd_of_strangers_one_place_is_kept_for_those_whom_we_know(work: Work) -> None:
    hashing, other = Hashing(2), Work()
    first = asyncio.create_task(hashing.run(1, other.hold))
    second = asyncio.create_task(hashing.run(1, work.hold))
    await settle()
    strangers = [asyncio.create_task(hashing.run(1, work.note, "stranger")) for _ in range(9)]
    await settle()
    other.gate.set()
    await first
    await settle()
    assert work.done == [], "nine wait: the place that is free now is not for them"
    assert await hashing.run(0, work.note, "known") == "known"
    work.gate.set()
    await asyncio.gather(second, *strangers)
    assert work.done == ["known"] + ["stranger"] * 9
    assert (hashing._free, hashing._strangers_running) == (2, 0)
    hashing.close()


async def test_a_place_is_free_again_whoever_leaves_and_whatever_fails(work: Work) -> None:
    hashing = Hashing(1)
    holder = asyncio.create_task(hashing.run(0, work.hold))
    await settle()
    leaves = asyncio.create_task(hashing.run(0, work.note, "left"))
    stays = asyncio.create_task(hashing.run(1, work.note, "stayed"))
    await settle()
    leaves.cancel()
    holder.cancel()  # Its thread goes on, and its place is taken until it is done.
    await settle()
    assert work.done == []
    work.gate.set()
    assert await stays == "stayed"
    assert work.done == ["stayed"]

    def fail() -> None:
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):
            await hashing.run(0, fail)
    assert await hashing.run(0, work.note, "after") == "after"
    hashing.close()


async def test_turns_are_taken_by_key_and_nothing_is_kept_of_them() -> None:
    turns = Turns(2)
    inside: list[str] = []
    go_on = asyncio.Event()

    async def visit(key: str, name: str) -> None:
        async with turns.of(key):
            inside.append(name)
            await go_on.wait()

    visits = [asyncio.create_task(visit("k", name)) for name in ("a", "b", "c")]
    other = asyncio.create_task(visit("other", "d"))
    await settle()
    assert inside == ["a", "b", "d"]
    visits[0].cancel()
    await settle()
    assert inside == ["a", "b", "d", "c"]
    go_on.set()
    await asyncio.gather(*visits, other, return_exceptions=True)
    assert turns._kept == {}
