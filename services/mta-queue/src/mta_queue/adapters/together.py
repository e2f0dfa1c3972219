"""What comes while a write is under way is written with the next one: batches that form by themselves.

Alone, an entry is written at once. Under load each transaction, and each wait for the disk, is shared by whatever
has queued up. Who asks is answered after the commit.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from pgkit import DatabaseUnavailable

E = TypeVar("E")
A = TypeVar("A")


class Together(Generic[E, A]):
    """One write at a time. `write` answers for each entry, in order; it writes all of them or none."""

    def __init__(self, write: Callable[[Sequence[E]], Awaitable[Sequence[A]]], most: int) -> None:
        self._write = write
        self._most = most
        self._waiting: deque[tuple[E, asyncio.Future[A]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def do(self, entry: E) -> A:
        """The answer for it. Raises what `write` raised."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                await self._settle(batch)
        finally:
            self._writer = None

    async def _settle(self, batch: Sequence[tuple[E, "asyncio.Future[A]"]]) -> None:
        try:
            answers = await self._write([entry for entry, _ in batch])
        except DatabaseUnavailable as error:
            _fail(batch, error)
        except Exception as error:
            # The fault may be one entry's: the others must not suffer for it.
            if len(batch) == 1:
                _fail(batch, error)
                return
            for each in batch:
                await self._settle([each])
        except BaseException as error:
            _fail(batch, error)
            raise
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(batch: Sequence[tuple[E, "asyncio.Future[A]"]], error: BaseException) -> None:
    for _, future in batch:
        if future.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)
