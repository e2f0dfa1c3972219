"""What came while the last write was under way goes into the next one: many failures at once are one transaction.

Each who gives something waits until it is written, or hears why it was not. Nothing waits for company: the first one is
written at once, alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_AT_ONCE = 500


class Gathering(Generic[T]):
    """`write` is given what has come; one call at a time."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def give(self, each: T) -> None:
        """Returns when it is written. Raises what `write` raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((each, done))
        if self._writing is None:
            # Of many calls: whose walls one of them has (`pgkit.only_within`) is nothing to the others.
            self._writing = asyncio.create_task(self._write_all(), context=Context())
        await done

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                try:
                    await self._write([each for each, _ in batch])
                except Exception as error:  # Each of them hears it.
                    self._tell(batch, error)
                else:
                    self._tell(batch, None)
        finally:
            self._writing = None

    @staticmethod
    def _tell(batch: Sequence[tuple[T, "asyncio.Future[None]"]], error: Exception | None) -> None:
        for _, done in batch:
            if done.done():
                continue  # It left; what it gave is written all the same.
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
