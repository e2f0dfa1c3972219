"""The gateway's ledgers on the bus: made at the start, followed, and read again after NATS was away."""

import asyncio

from eventbus import BusUnavailable, EventBus, Followed, Ledger
from servicekit import logs

LOG = logs.logger("smtp_gateway.ledgers")
DAY = 86_400.0
MEBIBYTE = 1 << 20
# How much of each is kept, and for how long (0: until it is removed).
BOUNDS = {
    "bans": (32 * MEBIBYTE, 21 * DAY),
    "operator_bans": (16 * MEBIBYTE, 0.0),
    "suspended_senders": (16 * MEBIBYTE, 0.0),
    "sender_use": (32 * MEBIBYTE, 2 * DAY),
    # Who came for the first time, and who came back: strangers can fill the one, only patience the other.
    "greylist_seen": (64 * MEBIBYTE, 3 * DAY),
    "greylist_known": (64 * MEBIBYTE, 40 * DAY),
}
LOOK_SECONDS = 5.0


async def open_ledgers(bus: EventBus) -> dict[str, Ledger]:
    """All of them. Raises BusUnavailable."""
    return {
        name: await bus.ledger(name, octets_most=octets, keep_seconds=seconds)
        for name, (octets, seconds) in BOUNDS.items()
    }


async def keep_reading(followed: list[Followed], draining: asyncio.Event) -> None:
    """Until the drain: what was missed while NATS was away is read when it is back."""
    while not draining.is_set():
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await draining.wait()
        except TimeoutError:
            pass
        for each in followed:
            try:
                await each.refresh()
            except BusUnavailable as error:
                LOG.warning("ledger_unread", error=str(error))
