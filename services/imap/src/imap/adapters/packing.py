"""What clients append waits in the database (`mailstore.staging`): here it is moved to the object storage, a few seconds later."""

import asyncio

from mailstore import MailStore, StoreUnavailable
from structlog.typing import FilteringBoundLogger


async def keep_packing(
    store: MailStore, draining: asyncio.Event, seconds: float, log: FilteringBoundLogger
) -> None:
    """Until the drain. What is left then another process moves, or this one when it is back."""
    while not draining.is_set():
        try:
            moved = await store.pack()
            if moved:
                log.info("bodies_packed", bodies=moved)
                continue
        except StoreUnavailable as error:
            log.warning("packing_postponed", error=str(error))
        try:
            async with asyncio.timeout(seconds):
                await draining.wait()
        except TimeoutError:
            continue
