"""The bus is told that messages are still being worked on, by one task for all of them."""

import asyncio
import time
from typing import Protocol

from servicekit import logs

LOG = logs.logger("mta_queue.keeping")
# Of the time after which each is told of, so often it is looked whether it is one's time.
LOOKS = 4


class Kept(Protocol):
    """A message of the bus."""

    async def keep_working(self) -> None:
        """It takes longer."""


class Keeper:
    """Those that `enter` are told of every `seconds` until they `leave`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next: dict[Kept, float] = {}
        self._entered = asyncio.Event()

    def enter(self, message: Kept) -> None:
        """It is being worked on from now on."""
        self._next[message] = time.monotonic() + self._seconds
        self._entered.set()

    def leave(self, message: Kept) -> None:
        """It is over."""
        self._next.pop(message, None)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            if not self._next:
                self._entered.clear()
                await self._entered.wait()
            await asyncio.sleep(self._seconds / LOOKS)
            now = time.monotonic()
            for message in [each for each, at in self._next.items() if at <= now]:
                try:
                    await message.keep_working()
                except Exception as error:
                    # The others are to be told of all the same.
                    LOG.warning("work_not_kept", error=str(error))
                if message in self._next:
                    self._next[message] = now + self._seconds
