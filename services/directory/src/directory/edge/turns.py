"""Taking turns: so many at once for each key, the others wait.

Attempts for one login from one prefix take turns, so that each sees what the one before it came to: of many programs
that log in at once with the right password only the first costs a hash, and nobody guesses faster by guessing in
parallel.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Semaphores by key, kept while somebody holds or wants them."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._kept: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the block."""
        semaphore, users = self._kept.get(key) or (asyncio.Semaphore(self._at_once), 0)
        self._kept[key] = semaphore, users + 1
        try:
            async with semaphore:
                yield
        finally:
            users = self._kept[key][1] - 1
            if users:
                self._kept[key] = semaphore, users
            else:
                del self._kept[key]
