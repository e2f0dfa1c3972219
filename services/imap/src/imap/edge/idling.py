"""IDLE (RFC 2177, RFC 5465 §4): tell what changes as soon as it is heard of."""

import asyncio
from contextlib import suppress

from imap import metrics
from imap.core.answer import NOT_NOW, Answer, Bad, ok
from imap.core.notifying import tell_unasked
from imap.core.session import Session
from imap.edge.waiting import octets_or_news
from imap.edge.wire import Wire


async def idle(wire: Wire, session: Session, woken: asyncio.Event, poll_seconds: float) -> Answer:
    """Until the client says DONE. Raises Bad where it says something else, Over where it says nothing."""
    await wire.say(b"+ idling\r\n")
    metrics.IDLING.inc()
    try:
        # What changed just before is told at once.
        with suppress(*NOT_NOW):
            await tell_unasked(session)
        while (line := wire.line_at_hand()) is None:
            await octets_or_news(wire, woken, lambda: tell_unasked(session), poll_seconds)
        if isinstance(line, bytes) and line.upper() == b"DONE":
            return ok("IDLE completed")
        raise Bad("DONE expected")
    finally:
        metrics.IDLING.dec()
