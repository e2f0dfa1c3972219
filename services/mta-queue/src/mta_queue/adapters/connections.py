"""Connections that have sent their message and may send another (RFC 5321 §3.1: a session may hold many transactions).

An idle connection is kept for a moment under the host and address it leads to, so that the next message there needs no new
greeting and TLS handshake. It ends after so many messages: ours, or as many as the peer says it takes (RFC 9422
MAILMAX).
"""

import asyncio
from collections import deque
from collections.abc import Hashable

from mta_queue import metrics
from mta_queue.adapters.session import Session

# Host, address, port, and what else a message must find there (TLS, our own address).
Key = tuple[Hashable, ...]


class Connections:
    """Idle sessions by where they lead and how."""

    def __init__(self, *, idle_seconds: float, messages_a_connection: int, most_idle: int) -> None:
        self._idle_seconds = idle_seconds
        self._messages = messages_a_connection
        self._most_idle = most_idle
        self._idle: dict[Key, deque[tuple[Session, asyncio.TimerHandle]]] = {}
        self._count = 0
        self._closing: set[asyncio.Task[None]] = set()

    def take(self, key: Key) -> Session | None:
        """The one used last, or None."""
        waiting = self._idle.get(key)
        if not waiting:
            return None
        session, timer = waiting.pop()
        timer.cancel()
        self._count -= 1
        if not waiting:
            del self._idle[key]
        metrics.REUSED.inc()
        return session

    def make_room(self, site: str) -> None:
        """Close one that is kept for a site with a limit of connections; "" is none."""
        if not site:
            return
        for key, waiting in self._idle.items():
            for session, timer in waiting:
                if session.site == site:
                    timer.cancel()
                    self._expire(key, session)
                    return

    def give_back(self, key: Key, session: Session, messages_at_most: int = 0) -> None:
        """Keep it for the next message, or close it where it has had its share."""
        limits = (self._messages, session.messages_taken_at_most, messages_at_most)
        if (
            not session.machine.is_open
            or session.messages >= min(each for each in limits if each)
            or self._count >= self._most_idle
            or self._idle_seconds <= 0
        ):
            self._close(session)
            return
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire, key, session)
        self._idle.setdefault(key, deque()).append((session, timer))
        self._count += 1

    def _expire(self, key: Key, session: Session) -> None:
        waiting = self._idle.get(key, deque())
        kept = deque(each for each in waiting if each[0] is not session)
        if len(kept) == len(waiting):
            return
        self._count -= 1
        if kept:
            self._idle[key] = kept
        else:
            del self._idle[key]
        self._close(session)

    def _close(self, session: Session) -> None:
        # Nobody waits for a goodbye.
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Say goodbye everywhere."""
        for waiting in self._idle.values():
            for session, timer in waiting:
                timer.cancel()
                self._close(session)
        self._idle.clear()
        self._count = 0
        await asyncio.gather(*self._closing, return_exceptions=True)
