"""Turns for large messages: their bodies are in memory while they are sent, so only a few are sent at once.

No tenant and no destination has all the turns: who takes its mail slowly holds up its own.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from mta_queue.core.turns import Caps, Lane, UnderWay

# What is smaller needs no turn.
LARGE_OCTETS = 4 * 1024 * 1024
AT_ONCE = 6
CAPS = Caps(a_destination=2, a_tenant=3)


class LargeOnes:
    """Of one process."""

    def __init__(self) -> None:
        self._under_way = UnderWay()
        self._count = 0
        self._waiting: deque[tuple[Lane, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[None]:
        """As long as it is sent."""
        if self._has_room(lane):
            self._enter(lane)
        else:
            await self._wait(lane)
        try:
            yield
        finally:
            self._leave(lane)

    async def _wait(self, lane: Lane) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (lane, future)
        self._waiting.append(entry)
        try:
            await future
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
            else:
                # It was given the turn at the very moment.
                self._leave(lane)
            raise

    def _has_room(self, lane: Lane) -> bool:
        return self._count < AT_ONCE and self._under_way.has_room(lane, CAPS)

    def _enter(self, lane: Lane) -> None:
        self._under_way.enter(lane)
        self._count += 1

    def _leave(self, lane: Lane) -> None:
        self._under_way.leave(lane)
        self._count -= 1
        for entry in list(self._waiting):
            # Who is just going away (its future is cancelled, and it does not know yet) is passed over.
            if not entry[1].done() and self._has_room(entry[0]):
                self._waiting.remove(entry)
                self._enter(entry[0])
                entry[1].set_result(None)
