"""Reading ahead: a client that takes its messages in order gets the next ones from memory.

While one message is being sent the next few are read, those that lie together by one request. The room for that is
bounded for a session and for the process; where there is none left, or a read fails, messages are read one by one as
if this did not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from blobstore import BlobMissing, BlobUnavailable
from mailstore import BodyCorrupt, MailStore, StoredMessage, StoreUnavailable

BATCH_MESSAGES = 32
BATCH_OCTETS = 256 * 1024
PROCESS_OCTETS = 64 * 1024 * 1024
# With fewer than these in memory the next ones are asked for.
FEW = 8


class Room:
    """Octets that all sessions of a process may hold."""

    def __init__(self, octets: int = PROCESS_OCTETS) -> None:
        self._left = octets

    def take(self, octets: int) -> bool:
        """Whether there was so much left."""
        if octets > self._left:
            return False
        self._left -= octets
        return True

    def give_back(self, octets: int) -> None:
        self._left += octets


class ReadAhead:
    """Of one session. `rows` gives the rows of message numbers, those that are there, in order."""

    def __init__(
        self,
        store: MailStore,
        room: Room,
        sizes_octets: Sequence[int],
        rows: Callable[[Sequence[int]], Awaitable[dict[int, StoredMessage]]],
    ) -> None:
        self._store = store
        self._room = room
        self._sizes = sizes_octets
        self._rows = rows
        self._last = 0
        self._coming: dict[int, asyncio.Task[dict[int, bytes]]] = {}

    async def take(self, number: int) -> bytes | None:
        """The message, if it was read ahead; asks for the next ones when messages are taken in order."""
        in_order = number == self._last + 1
        self._last = number
        if not in_order:
            self._forget()
        task = self._coming.pop(number, None)
        found = None
        if task is not None:
            self._room.give_back(self._sizes[number - 1])
            found = (await asyncio.shield(task)).pop(number, None)
        if in_order and len(self._coming) < FEW:
            self._ask(number + 1 + len(self._coming))
        return found

    def _ask(self, first: int) -> None:
        numbers: list[int] = []
        octets = 0
        for number in range(first, min(first + BATCH_MESSAGES, len(self._sizes) + 1)):
            octets += self._sizes[number - 1]
            if octets > BATCH_OCTETS or not self._room.take(self._sizes[number - 1]):
                break
            numbers.append(number)
        if numbers:
            task = asyncio.create_task(self._read(numbers))
            self._coming.update(dict.fromkeys(numbers, task))

    async def _read(self, numbers: Sequence[int]) -> dict[int, bytes]:
        try:
            rows = await self._rows(numbers)
            return dict(zip(rows, await self._store.read_whole(list(rows.values())), strict=True))
        except (StoreUnavailable, BlobUnavailable, BlobMissing, BodyCorrupt):
            # Read by itself, each tells what is wrong with it.
            return {}

    def _forget(self) -> None:
        for number, task in self._coming.items():
            task.cancel()
            self._room.give_back(self._sizes[number - 1])
        self._coming.clear()

    def close(self) -> None:
        """Let go of everything."""
        self._forget()
