"""Logins from new places and suspicious ones are told as mail's events are: to webhooks, and to `events.<tenant>`.

The directory says them on the bus (`login.noticed`) and keeps them in the sign-in log; of our processes one hears each. What
is heard is kept until it is written, within `WAITING_MOST`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from pgkit import DatabaseUnavailable
from servicekit import logs

from mta_queue import metrics
from mta_queue.core.events import Event
from mta_queue.core.logins import noticed

LOG = logs.logger("mta_queue.logins")
WAITING_MOST = 10_000
TOGETHER = 100
AGAIN_SECONDS = 1.0


class Told(Protocol):
    """Whom events are told by. Raises DatabaseUnavailable."""

    async def reported(self, events: Sequence[Event]) -> None:
        """Write for webhooks, and tell the bus."""


class LoginNotices:
    """Of one process."""

    def __init__(self, told: Told, draining: asyncio.Event) -> None:
        self._told = told
        self._draining = draining
        self._waiting: deque[Event] = deque()
        self._came = asyncio.Event()

    def heard(self, _subject: str, payload: bytes) -> None:
        """From the bus."""
        found = noticed(payload)
        if found is None:
            metrics.LOGIN_NOTICES.labels("unreadable").inc()
        elif len(self._waiting) >= WAITING_MOST:
            metrics.LOGIN_NOTICES.labels("dropped").inc()
        else:
            self._waiting.append(found)
            self._came.set()

    async def run(self) -> None:
        """Until the drain."""
        ended = asyncio.ensure_future(self._draining.wait())
        try:
            while not ended.done():
                came = asyncio.ensure_future(self._came.wait())
                await asyncio.wait((came, ended), return_when=asyncio.FIRST_COMPLETED)
                came.cancel()
                if not await self.tell():
                    await asyncio.wait((ended,), timeout=AGAIN_SECONDS)
        finally:
            ended.cancel()

    async def tell(self) -> bool:
        """All that waits; False where the database is away, and then it still waits."""
        self._came.clear()
        while self._waiting:
            some = [self._waiting[place] for place in range(min(TOGETHER, len(self._waiting)))]
            try:
                await self._told.reported(some)
            except DatabaseUnavailable as error:
                LOG.warning("login_notices_wait", waiting=len(self._waiting), error=str(error))
                self._came.set()
                return False
            for _ in some:
                self._waiting.popleft()
            metrics.LOGIN_NOTICES.labels("told").inc(len(some))
        return True
