"""Sessions take turns: one that computes and waits for nothing lets the others on after a while.

A command that has come is done without a turn of the event loop where all that it needs is at hand. Thousands of them in
one segment, or one that looks at a hundred thousand messages, would keep everybody else waiting.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

TURN_SECONDS = 0.02
# Longer headers and texts are looked through in a thread: field by field, or to be compared, they take their time.
LONG_OCTETS = 256 * 1024

T = TypeVar("T")


async def looked_through(octets: int, look: Callable[[], T]) -> T:
    """What comes of looking through so many octets; of many so that the others have their turns meanwhile."""
    return look() if octets <= LONG_OCTETS else await asyncio.to_thread(look)


class Turns:
    """Of one session."""

    def __init__(self) -> None:
        self._until = 0.0

    async def give_way(self) -> None:
        """To the others, once in a turn; cheap."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + TURN_SECONDS
