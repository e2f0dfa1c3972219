"""What was found of mail after it had been accepted, held against the client that brought it.

The mda looks into messages when it files them, and tells on the bus what came by the mx door and is spam or holds a virus. Of
the gateway's processes one hears of each, and tells the others its points like all others.
"""

import asyncio
import json
from collections.abc import Callable

from eventbus import EventBus, subjects
from servicekit import logs

from smtp_gateway.core.networks import Networks
from smtp_gateway.core.offences import Offence
from smtp_gateway.edge.banning import Banning

LOG = logs.logger("smtp_gateway.judged")
VERDICTS = {"spam": Offence.SPAM, "virus": Offence.VIRUS}
MOST_WAITING = 10_000
LOOK_SECONDS = 1.0


class Judged:
    """`passing_on`: systems that are trusted to pass on what others wrote; it is not their fault."""

    def __init__(
        self, banning: Banning, passing_on: tuple[Networks, ...], clock: Callable[[], float]
    ) -> None:
        self._banning = banning
        self._passing_on = passing_on
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[str, Offence]] = asyncio.Queue(MOST_WAITING)

    async def listen(self, bus: EventBus) -> None:
        """Hear a share of it from now on."""
        await bus.listen(subjects.MAIL_JUDGED, self.heard, group="smtp-gateway")

    def heard(self, _subject: str, payload: bytes) -> None:
        """A message was found to be something."""
        try:
            told = json.loads(payload)
            address, offence = str(told["address"]), VERDICTS[told["verdict"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            LOG.warning("judgement_unreadable")
            return
        if any(address in networks for networks in self._passing_on) or self._waiting.full():
            return
        self._waiting.put_nowait((address, offence))

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain, and until nothing waits."""
        while not draining.is_set() or not self._waiting.empty():
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    address, offence = await self._waiting.get()
            except TimeoutError:
                continue
            await self._banning.offended(address, offence, self._clock())
