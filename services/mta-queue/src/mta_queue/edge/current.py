"""The rules as this process knows them: looked at every moment, so that an order holds everywhere within a second."""

import time
from collections.abc import Awaitable, Callable

from mta_queue.core.rules import Rules

FRESH_SECONDS = 1.0


class CurrentRules:
    """`now` is what `load` said last; where there is a `stamp` they are loaded again when it is another."""

    def __init__(
        self,
        load: Callable[[], Awaitable[Rules]],
        first: Rules,
        stamp: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._load = load
        self._stamp = stamp
        self._loaded_with = ""
        self._looked_at = time.monotonic()
        self.now = first

    async def refresh(self) -> None:
        """Read them again where that is a moment ago and they have changed. Raises DatabaseUnavailable."""
        if time.monotonic() - self._looked_at < FRESH_SECONDS:
            return
        stamp = await self._stamp() if self._stamp is not None else ""
        if not stamp or stamp != self._loaded_with:
            await self.reload()
            # Taken before they were read: what was changed in between is found by the next look.
            self._loaded_with = stamp
        self._looked_at = time.monotonic()

    async def reload(self) -> None:
        """Read them again: they were changed here. Raises DatabaseUnavailable."""
        self.now = await self._load()
        self._looked_at = time.monotonic()
