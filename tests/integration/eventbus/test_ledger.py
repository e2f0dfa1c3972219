"""Ledgers on a real nats-server: the last value counts, all processes hear of it, and they stay within their bounds."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from eventbus import BusUnavailable, EventBus, Followed
from posthouse.supervisor.process import Child

from tests.support.engines import Engines, running


async def connect(engines: Engines) -> EventBus:
    return await EventBus.connect(engines.nats.url, name="test")


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


@pytest.mark.parametrize("key", ["192.0.2.1/32", "2001:db8::/64", "a.b.>*", "", "büro \udcff", "x" * 600])
async def test_any_key_keeps_its_last_value(engines: Engines, key: str) -> None:
    bus = await connect(engines)
    try:
        ledger = await bus.ledger("keys", octets_most=1 << 20, keep_seconds=3600)
        assert await ledger.get(key) is None
        await ledger.put(key, b"one")
        await ledger.put(key, b"two")
        assert await ledger.get(key) == b"two"
        assert (key, b"two") in [entry async for entry in ledger.entries()]
        await ledger.remove(key)
        assert await ledger.get(key) is None
        assert key not in {found async for found, _ in ledger.entries()}
    finally:
        await bus.close()


async def test_another_process_hears_and_one_that_comes_later_reads(engines: Engines) -> None:
    one, two = await connect(engines), await connect(engines)
    try:
        here = await one.ledger("heard", octets_most=1 << 20, keep_seconds=3600)
        there = await two.ledger("heard", octets_most=1 << 20, keep_seconds=3600)
        heard: dict[str, bytes] = {}
        for number in range(600):
            await here.put(f"before{number}", b"%d" % number)
        followed = Followed(there, lambda key, value: heard.__setitem__(key, value), lambda: two.connections)
        await followed.start()
        assert len(heard) == 600
        await here.put("after", b"x")
        await here.remove("before7")
        await until(lambda: heard.get("after") == b"x" and heard["before7"] == b"")
    finally:
        await one.close()
        await two.close()


async def test_the_oldest_go_where_there_is_no_room(engines: Engines) -> None:
    bus = await connect(engines)
    try:
        ledger = await bus.ledger("small", octets_most=20_000, keep_seconds=3600)
        for number in range(300):
            await ledger.put(f"k{number}", b"x" * 100)
        assert await ledger.get("k0") is None
        assert await ledger.get("k299") == b"x" * 100
        assert len([key async for key, _ in ledger.entries()]) < 200
        with pytest.raises(ValueError):
            await ledger.put("k", b"x" * 20_000)
        # The bounds are the last ones that were asked for.
        wider = await bus.ledger("small", octets_most=1 << 20, keep_seconds=60)
        for number in range(300):
            await wider.put(f"k{number}", b"x" * 100)
        assert len([key async for key, _ in wider.entries()]) == 300
    finally:
        await bus.close()


async def test_what_was_missed_while_nats_was_away_is_read_again(tmp_path: Path) -> None:
    async with running(tmp_path / "own", "nats") as engines:
        await _miss_and_read_again(engines)


async def _miss_and_read_again(engines: Engines) -> None:
    one = await connect(engines)
    heard: dict[str, bytes] = {}
    try:
        ledger = await one.ledger("missed", octets_most=1 << 20, keep_seconds=3600)
        await ledger.put("gone", b"1")
        followed = Followed(ledger, lambda key, value: heard.__setitem__(key, value), lambda: one.connections)
        await followed.start()
        child: Child = engines.children["nats"]
        assert child._process is not None
        before = one.connections
        child._process.kill()
        with pytest.raises(BusUnavailable):
            await ledger.put("gone", b"2")
        await child.wait_ready()
        two = await connect(engines)
        other = await two.ledger("missed", octets_most=1 << 20, keep_seconds=3600)
        await other.remove("gone")
        await other.put("new", b"1")
        await two.close()
        await until(lambda: one.connections > before)
        await followed.refresh()
        assert heard == {"gone": b"", "new": b"1"}
    finally:
        await one.close()
