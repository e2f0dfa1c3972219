"""Events of several accounts beside each other, of one account in their order."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from mda.edge import acting
from mda.edge.acting import AT_ONCE, Acting


class Item:
    def __init__(self, stage: "Stage", payload: bytes) -> None:
        self.payload, self.deliveries = payload, 1
        self.fate = ""
        self.lives = asyncio.Semaphore(0)
        self._stage = stage

    async def acknowledge(self) -> None:
        self.fate = "settled"

    async def retry_later(self, delay_seconds: float) -> None:
        self.fate = "again"

    async def keep_working(self) -> None:
        self.lives.release()


class Stage(Acting):
    """Events wait until the test lets them go."""

    def __init__(self, *names: str) -> None:
        self.draining = asyncio.Event()
        anything = cast(Any, self)
        super().__init__(anything, anything, anything, anything, anything, self.draining, retry_seconds=0.0)
        self.items = {name: Item(self, payload(name)) for name in names}
        self.coming = list(self.items.values())
        self.begun: list[str] = []
        self.let_go = {name: asyncio.Event() for name in names}
        self.error: Exception | None = None

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[Item]:
        await asyncio.sleep(0)
        taken, self.coming = self.coming[:limit], self.coming[limit:]
        return taken

    async def settle(self, item: Any) -> None:
        name = next(key for key, each in self.items.items() if each is item)
        self.begun.append(name)
        await self.let_go[name].wait()
        if self.error is not None:
            raise self.error
        await item.acknowledge()


def payload(name: str) -> bytes:
    """`name` begins with the account's letter; of "-" there is none."""
    if name.startswith("-"):
        return b"nonsense"
    told = {
        "event_id": name,
        "at": 1_795_000_000_000,
        "tenant_id": "t",
        "account_id": name[0],
        "owner": "o@a.test",
        "user": "o@a.test",
        "mailbox_id": 1,
        "uids": [1],
        "cause": "COPY",
        "flags": [],
    }
    return json.dumps(told).encode()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_slow_script_holds_up_its_own_account_only() -> None:
    stage = Stage("a1", "a2", "b1", "-1", "a3")
    running = asyncio.create_task(stage.run())
    await settled()
    assert stage.begun == ["a1", "b1", "-1"]
    stage.let_go["b1"].set()
    await settled()
    assert stage.items["b1"].fate == "settled"
    assert stage.begun == ["a1", "b1", "-1"]
    for name in ("a1", "a2", "a3", "-1"):
        stage.let_go[name].set()
        await settled()
    assert stage.begun == ["a1", "b1", "-1", "a2", "a3"]
    stage.draining.set()
    await running
    assert {each.fate for each in stage.items.values()} == {"settled"}
    assert stage._last == {}


async def test_who_waits_shows_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "TURN_SECONDS", 0.0)
    stage = Stage("a1", "a2")
    running = asyncio.create_task(stage.run())
    for _ in range(3):
        await stage.items["a2"].lives.acquire()
    assert stage.begun == ["a1"]
    # At the drain what has begun is finished, and what has not goes back.
    stage.draining.set()
    stage.let_go["a1"].set()
    await running
    assert (stage.items["a1"].fate, stage.items["a2"].fate) == ("settled", "again")


async def test_so_many_at_once_and_not_more() -> None:
    names = [f"{letter}{number}" for number in range(2) for letter in "abcdefghijklmnopqrstuvwxyz"]
    stage = Stage(*names)
    running = asyncio.create_task(stage.run())
    await settled()
    assert len(stage._working) == AT_ONCE
    stage.draining.set()
    for each in stage.let_go.values():
        each.set()
    await running
    assert len(stage.coming) == len(names) - AT_ONCE


async def test_what_breaks_ends_it() -> None:
    stage = Stage("a1")
    stage.error = RuntimeError("the bus is closed")
    stage.let_go["a1"].set()
    with pytest.raises(RuntimeError, match="the bus is closed"):
        await stage.run()
