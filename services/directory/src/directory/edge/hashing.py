"""Hashes in threads, the likeliest to be right first: many wrong passwords must not keep a right one waiting.

As many run at once as there are threads. Who waits is taken by rank (the lower the sooner), then in the order of
coming. Ranks above 0 are strangers: few of them wait, so that none waits for long, and when there are more the one of
the worst rank is sent away. Those whom we know wait in a long line, for they are not there by the thousand.
"""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

R = TypeVar("R")
# The operator's orders: before every login.
ORDER_RANK = -1
# So many wait for about a second where each takes 125 ms (argon2id) or 7 ms (SCRAM keys) of one of two cores.
STRANGERS, STRANGERS_BY_KEYS = 16, 192


class Crowded(Exception):
    """Too many wait, and others have waited longer or are likelier to be right."""


@dataclass(order=True, slots=True)
class _Waiting:
    rank: int
    number: int
    turn: "asyncio.Future[None]" = field(compare=False)


class Hashing:
    """The threads of one process, and the line before them."""

    def __init__(self, threads: int, strangers: int = STRANGERS, most_waiting: int = 512) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._threads = threads
        self._free = threads
        self._strangers = strangers
        self._strangers_running = 0
        self._most_waiting = most_waiting
        self._line: list[_Waiting] = []
        self._number = 0

    async def run(self, rank: int, work: Callable[..., R], *arguments: Any) -> R:
        """`work` in a thread. Raises Crowded, and what it raises."""
        loop = asyncio.get_running_loop()
        await self._wait(loop, rank)
        running = loop.run_in_executor(self._executor, lambda: work(*arguments))
        # A thread cannot be interrupted: its place is free when it is done, not when nobody waits for it any more.
        running.add_done_callback(lambda _: self._leave(rank))
        return await asyncio.shield(running)

    async def _wait(self, loop: asyncio.AbstractEventLoop, rank: int) -> None:
        self._number += 1
        waiting = _Waiting(rank, self._number, loop.create_future())
        heapq.heappush(self._line, waiting)
        self._fill()
        if len(self._line) > self._most_waiting or (rank > 0 and self._strangers_waiting() > self._strangers):
            worst = max(self._line)
            self._remove(worst)
            worst.turn.set_exception(Crowded())
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.cancelled():
                self._remove(waiting)
            elif waiting.turn.exception() is None:
                self._leave(rank)  # It was given the place at the same moment.
            raise

    def _fill(self) -> None:
        """Give the free places to those who are next."""
        while self._free and self._line:
            if self._line[0].rank > 0 and self._strangers_running >= self._places_for_strangers():
                return
            first = heapq.heappop(self._line)
            if first.turn.done():
                continue  # It left, and will notice.
            self._free -= 1
            self._strangers_running += first.rank > 0
            first.turn.set_result(None)

    def _places_for_strangers(self) -> int:
        """All of them; but while many wait one place is kept for those whom we know."""
        crowd = self._strangers_waiting() > 4 * self._threads
        return max(1, self._threads - 1) if crowd else self._threads

    def _strangers_waiting(self) -> int:
        return sum(each.rank > 0 for each in self._line)

    def _leave(self, rank: int) -> None:
        self._free += 1
        self._strangers_running -= rank > 0
        self._fill()

    def _remove(self, waiting: _Waiting) -> None:
        if waiting in self._line:
            self._line.remove(waiting)
            heapq.heapify(self._line)

    def close(self) -> None:
        """Let go of the threads."""
        self._executor.shutdown(wait=False)
