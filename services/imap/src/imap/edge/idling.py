"""IDLE (RFC 2177): tell what changes as soon as it is heard of, and look by oneself now and then."""

import asyncio
import time

from mailmodel.view import MayExpunge
from mailstore import StoreUnavailable

from imap import metrics
from imap.core.answer import Answer, Bad, ok
from imap.core.session import Session
from imap.edge.wire import Wire
from imap.settings import Settings


async def idle(wire: Wire, session: Session, woken: asyncio.Event, settings: Settings) -> Answer:
    """Until the client says DONE. Raises Bad where it says something else, Over where it says nothing."""
    await wire.say(b"+ idling\r\n")
    metrics.IDLING.inc()
    reading: asyncio.Task[None] | None = None
    deadline = time.monotonic() + settings.idle_seconds
    try:
        # What changed just before is told at once.
        await session.refresh(MayExpunge.YES)
        while True:
            line = wire.line_at_hand()
            if line is not None:
                if isinstance(line, bytes) and line.upper() == b"DONE":
                    return ok("IDLE completed")
                raise Bad("DONE expected")
            if time.monotonic() > deadline:
                await wire.end("You were silent for too long")
            if reading is None:
                reading = asyncio.create_task(wire.read())
            waking = asyncio.create_task(woken.wait())
            done, _ = await asyncio.wait(
                {reading, waking}, timeout=settings.poll_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            waking.cancel()
            if reading in done:
                await reading
                reading = None
            else:
                woken.clear()
                try:
                    await session.refresh(MayExpunge.YES)
                except StoreUnavailable:
                    # The poll looks again.
                    continue
    finally:
        metrics.IDLING.dec()
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
