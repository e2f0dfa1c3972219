"""How busy this process is, and who is sent away early because of it, before everybody waits.

Two things tell: how many messages wait between their end and our answer (the stores are slow), and how late the event loop
comes to what is due (this process is slow). A message that has been sent is never refused for it: a sender is asked to
come again at MAIL (451), and at the greeting (421) while the loop is late.
"""

import asyncio
import time
from collections.abc import Callable

from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway import metrics

LOG = logs.logger("smtp_gateway.load")
# RFC 3463 X.3.2: not accepting network messages.
BUSY = Reply.of(451, "4.3.2", "We have too much to do now; try again later")
TOO_BUSY = Reply.of(421, "4.3.2", "We have too much to do now; try again later")
LOOK_SECONDS = 0.25
# Once late it is taken for late until it comes this much sooner: else it would change with every look.
RECOVERED_SHARE = 0.5
# A process that was held still comes late once, and has nothing else to do.
LATE_LOOKS = 2


class Load:
    """Shared by a process. 0 is no limit."""

    def __init__(
        self,
        accepting_at_once: int = 0,
        lag_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accepting_at_once = accepting_at_once
        self._lag_seconds = lag_seconds
        self._clock = clock
        self._accepting = 0
        self._is_late = False
        self._late_looks = 0

    def begin(self) -> None:
        """A whole message has come."""
        self._accepting += 1

    def end(self) -> None:
        """It is answered."""
        self._accepting -= 1

    def message_refusal(self) -> Reply | None:
        """MAIL; why not now."""
        if self._is_late or (self._accepting_at_once and self._accepting >= self._accepting_at_once):
            metrics.BUSY.labels("message").inc()
            return BUSY
        return None

    def session_refusal(self) -> Reply | None:
        """A connection; why not now."""
        if self._is_late:
            metrics.BUSY.labels("session").inc()
            return TOO_BUSY
        return None

    def came(self, late_seconds: float) -> None:
        """The event loop came so late to what was due."""
        metrics.LAG_SECONDS.set(late_seconds)
        if not self._lag_seconds:
            return
        limit = self._lag_seconds * (RECOVERED_SHARE if self._is_late else 1.0)
        self._late_looks = self._late_looks + 1 if late_seconds > limit else 0
        if (self._late_looks >= (1 if self._is_late else LATE_LOOKS)) is not self._is_late:
            self._is_late = not self._is_late
            LOG.warning("load_changed", is_late=self._is_late, late_seconds=round(late_seconds, 3))

    async def run(self, draining: asyncio.Event) -> None:
        """Watch until the drain."""
        while not draining.is_set():
            due = self._clock() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.came(max(self._clock() - due, 0.0))
