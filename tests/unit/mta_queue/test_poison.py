"""A bus message that is no envelope is kept for a human, and only then acknowledged."""

import asyncio
from typing import Any, cast

import pytest
from blobstore import BlobUnavailable
from eventbus import BusMessage
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.firsts import Firsts
from mta_queue.edge.slots import Slots


class Poisoned:
    """Satisfies what Work uses of BusMessage."""

    payload = b"\xff\xff no envelope"
    deliveries = 1

    def __init__(self, over: asyncio.Event) -> None:
        self.fate: list[str] = []
        self._over = over

    async def acknowledge(self) -> None:
        self.fate.append("acknowledged")
        self._over.set()

    async def retry_later(self, delay_seconds: float) -> None:
        self.fate.append("retried")
        self._over.set()


class Once:
    def __init__(self, message: Poisoned) -> None:
        self._messages = [message]

    async def fetch(self, limit: int, wait_seconds: float) -> list[BusMessage]:
        await asyncio.sleep(0)
        messages, self._messages = self._messages, []
        return cast(list[BusMessage], messages)


class Shelf:
    def __init__(self, *, away: bool) -> None:
        self.kept: list[tuple[bytes, str]] = []
        self._away = away

    async def put_aside(self, payload: bytes, reason: str) -> None:
        if self._away:
            raise BlobUnavailable("away")
        self.kept.append((payload, reason))


@pytest.mark.parametrize("away", [False, True])
async def test_a_poison_envelope_is_put_aside(away: bool) -> None:
    draining = asyncio.Event()
    message, shelf = Poisoned(draining), Shelf(away=away)
    nothing: Any = None
    rules = Rules({}, {}, Schedule(1.0, 1.0, 1.0))

    async def load() -> Rules:
        return rules

    slots = Slots(1, Caps(1, 1))
    firsts = Firsts(
        Once(message), nothing, nothing, shelf, slots, CurrentRules(load, rules), draining, keep_seconds=20.0
    )
    await firsts.run()
    if away:
        assert (message.fate, shelf.kept) == (["retried"], [])
    else:
        assert (message.fate, shelf.kept) == (["acknowledged"], [(Poisoned.payload, "not a spooled message")])
