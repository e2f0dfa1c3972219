"""Messages read before the client asks for them: who takes them in order is not kept waiting for each.

While a session takes small messages one after the other the next ones are read, those that lie together by one request,
and more at a time the longer it goes on. They lie in room that all sessions of the process share (`mailstore.prepared`);
where there is none, or a read fails, messages are read one by one as if this did not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from blobstore import BlobMissing, BlobUnavailable
from mailstore import BodyCorrupt, BodyPlace, MailStore, Prepared, StoreUnavailable

BATCH_MESSAGES = 128
FIRST_BATCH_OCTETS = 64 * 1024
BATCH_OCTETS = 512 * 1024


class ReadAhead:
    """Of one session. `rows` gives the rows of message numbers, those that are there, in order."""

    def __init__(
        self,
        store: MailStore,
        prepared: Prepared,
        sizes_octets: Sequence[int],
        rows: Callable[[Sequence[int]], Awaitable[dict[int, BodyPlace]]],
    ) -> None:
        self._store = store
        self._prepared = prepared
        self._sizes = sizes_octets
        self._rows = rows
        self._last = 0
        # The last message that was asked for, and how many of the next ones may be left when more are.
        self._end = 0
        self._few = 0
        self._batch_octets = FIRST_BATCH_OCTETS
        self._coming: asyncio.Task[None] | None = None

    def at_hand(self, number: int) -> bytes | None:
        """The message, if it was read ahead. Nothing is waited for."""
        if number > self._end:
            return None
        whole = self._prepared.take((self, number))
        if whole is not None:
            self._last = number
            if self._end - number <= self._few and self._coming is None:
                self._ask()
        return whole

    async def take(self, number: int) -> bytes | None:
        """The same, after the next ones have been read if they are just coming; or the first of many is asked for."""
        if number == self._last:
            # Again, as after a TOP: those behind it are as likely as before.
            return None
        if self._last < number <= self._end and self._coming is not None:
            await asyncio.shield(self._coming)
            if (whole := self.at_hand(number)) is not None:
                return whole
        in_order = number == self._last + 1
        self._forget()
        self._last = self._end = number
        if in_order:
            self._ask()
        else:
            self._batch_octets = FIRST_BATCH_OCTETS
        return None

    def _ask(self) -> None:
        """For those behind the last ones."""
        first = last = self._end + 1
        octets = 0
        for size in self._sizes[first - 1 : first - 1 + BATCH_MESSAGES]:
            if octets + size > self._batch_octets:
                break
            octets += size
            last += 1
        if not octets:
            return
        self._end = last - 1
        self._few = (last - first) // 2
        self._batch_octets = min(2 * self._batch_octets, BATCH_OCTETS)
        self._coming = asyncio.create_task(self._read(range(first, last), octets))

    async def _read(self, numbers: Sequence[int], octets: int) -> None:
        if not self._prepared.reserve(octets):
            self._coming = None
            return
        left = octets
        try:
            rows = await self._rows(numbers)
            wholes = await self._store.read_whole(list(rows.values()))
            for number, whole in zip(rows, wholes, strict=True):
                if len(whole) <= left:
                    left -= len(whole)
                    self._prepared.put((self, number), whole)
        except (StoreUnavailable, BlobUnavailable, BlobMissing, BodyCorrupt):
            # Read by itself, each tells what is wrong with it.
            pass
        finally:
            self._prepared.release(left)
            if self._coming is asyncio.current_task():
                self._coming = None

    def _forget(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None
        for number in range(self._last + 1, self._end + 1):
            self._prepared.drop((self, number))
        self._end = self._last

    def close(self) -> None:
        """Let go of everything."""
        self._forget()
