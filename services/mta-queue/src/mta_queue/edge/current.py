"""The rules as this process knows them: read again every moment, so that an order holds everywhere within a second."""

import time
from collections.abc import Awaitable, Callable

from mta_queue.core.rules import Rules

FRESH_SECONDS = 1.0


class CurrentRules:
    """`now` is what `load` said last."""

    def __init__(self, load: Callable[[], Awaitable[Rules]], first: Rules) -> None:
        self._load = load
        self._read_at = time.monotonic()
        self.now = first

    async def refresh(self) -> None:
        """Read them again where that is a moment ago. Raises DatabaseUnavailable."""
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            await self.reload()

    async def reload(self) -> None:
        """Read them again: they were changed here. Raises DatabaseUnavailable."""
        self.now = await self._load()
        self._read_at = time.monotonic()
