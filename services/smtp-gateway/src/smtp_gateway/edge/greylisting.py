"""Greylisting, of one process among several: what was seen rests in ledgers, which all share, which are bounded and whose
entries expire. Without NATS nobody is asked to come again for it: MAIL says 451 by itself then.
"""

import json
import time
from collections.abc import Awaitable, Callable

from eventbus import BusUnavailable
from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core.greylist import Attempt, Came, Patience
from smtp_gateway.core.lately import Lately
from smtp_gateway.ports import Ledger

LOG = logs.logger("smtp_gateway.greylisting")
KNOWN_HERE_SECONDS = 6 * 3600.0
# Known ones are written anew so often, or they would be forgotten while they come every day.
RENEW_SECONDS = 86_400.0


class Greylisting:
    """Shared by a process."""

    def __init__(
        self, patience: Patience, seen: Ledger, known: Ledger, wall: Callable[[], float] = time.time
    ) -> None:
        self._patience = patience
        self._seen = seen
        self._known = known
        self._wall = wall
        self._known_here = Lately(KNOWN_HERE_SECONDS)

    async def refusal(self, attempt: Attempt, spf_passes: Callable[[], Awaitable[bool]]) -> Reply | None:
        """Why this recipient is not taken now."""
        now = self._wall()
        if self._known_here.has(attempt.known_key, now):
            return None
        try:
            reply, outcome = await self._judge(attempt, spf_passes, now)
        except BusUnavailable as error:
            LOG.warning("greylist_away", error=str(error))
            reply, outcome = None, "away"
        metrics.GREYLISTED.labels(outcome).inc()
        if reply is None:
            self._known_here.note(attempt.known_key, now)
        return reply

    async def _judge(
        self, attempt: Attempt, spf_passes: Callable[[], Awaitable[bool]], now: float
    ) -> tuple[Reply | None, str]:
        if (known_at := _number(await self._known.get(attempt.known_key))) is not None:
            if now - known_at > RENEW_SECONDS:
                await self._know(attempt.known_key, now)
            return None, "known"
        if attempt.domain and await self._known.get(attempt.domain_key) is not None and await spf_passes():
            await self._know(attempt.known_key, now)
            return None, "known_domain"
        first_at = _number(await self._seen.get(attempt.seen_key))
        came = self._patience.came(first_at, now)
        if came is Came.BACK:
            await self._know(attempt.known_key, now)
            if attempt.domain and await spf_passes():
                await self._know(attempt.domain_key, now)
            return None, came.value
        if came is Came.FIRST:
            await self._seen.put(attempt.seen_key, json.dumps(now).encode())
            first_at = now
        left = max(1, round(self._patience.wait_seconds - (now - (first_at or now))))
        return Reply.of(451, "4.7.1", f"We do not know you yet; try again in {left} seconds"), came.value

    async def _know(self, key: str, now: float) -> None:
        await self._known.put(key, json.dumps(now).encode())


def _number(value: bytes | None) -> float | None:
    try:
        return None if value is None else float(json.loads(value))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
