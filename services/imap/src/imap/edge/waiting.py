"""Waiting for a client while telling it what changes: in IDLE, and whenever it has used NOTIFY."""

import asyncio
from collections.abc import Awaitable, Callable

from imap.core.answer import NOT_NOW
from imap.edge.wire import Wire


async def octets_or_news(
    wire: Wire, woken: asyncio.Event, tell: Callable[[], Awaitable[None]], poll_seconds: float
) -> None:
    """Read once; until something comes, `tell` whenever woken, and now and then unwoken. Raises Over."""
    reading = asyncio.create_task(wire.read())
    try:
        while True:
            waking = asyncio.create_task(woken.wait())
            done, _ = await asyncio.wait(
                {reading, waking}, timeout=poll_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            waking.cancel()
            if reading in done:
                await reading
                return
            woken.clear()
            try:
                await tell()
            except NOT_NOW:
                # The poll looks again.
                continue
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
