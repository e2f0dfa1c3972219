"""All sessions of a process that talk to one client each: so that those who only wait can be sent away at SIGTERM."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from servicekit.tcp import Connection


class LivingSession(Protocol):
    """One connection's life."""

    async def live(self) -> None:
        """To its end."""

    async def end_if_idle(self) -> None:
        """Tell the client and close, unless a command is being worked on."""


class Sessions:
    """`serve` is the listeners' handler; `make` begins one."""

    def __init__(self, make: Callable[[Connection], LivingSession]) -> None:
        self._make = make
        self._open: set[LivingSession] = set()

    async def serve(self, connection: Connection) -> None:
        """Live one session to its end."""
        session = self._make(connection)
        self._open.add(session)
        try:
            await session.live()
        finally:
            self._open.discard(session)

    async def end_at_drain(self, draining: asyncio.Event) -> None:
        """Wait for SIGTERM, then send those away that only wait."""
        await draining.wait()
        async with asyncio.TaskGroup() as group:
            for session in list(self._open):
                group.create_task(session.end_if_idle())
