"""What nobody needs any more, deleted now and then. Two processes that do it at once do no harm."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from pgkit import DatabaseUnavailable

from directory.adapters.deleted import DeletedAccounts
from directory.adapters.limits import Limits
from directory.adapters.second_factors import SecondFactors
from directory.adapters.sign_ins import SignIns
from directory.core.limits import FAMILIAR_DAYS

PAUSE_SECONDS = 1800.0


class Housekeeping:
    """Once at the start, then every half an hour."""

    def __init__(
        self,
        limits: Limits,
        sign_ins: SignIns,
        deleted: DeletedAccounts,
        deleted_kept: timedelta,
        factors: SecondFactors,
        clock: Callable[[], datetime],
    ) -> None:
        self._deleted = deleted
        self._factors = factors
        self._deleted_kept = deleted_kept
        self._limits = limits
        self._sign_ins = sign_ins
        self._clock = clock

    async def once(self) -> None:
        """Raises DatabaseUnavailable."""
        await self._limits.prune(self._clock(), FAMILIAR_DAYS)
        await self._sign_ins.prune(self._clock())
        await self._factors.prune(self._clock())
        await self._deleted.remove_old(self._clock() - self._deleted_kept)

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain."""
        while not draining.is_set():
            try:
                await self.once()
            except DatabaseUnavailable:
                pass  # The next time, then: it was in nobody's way.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await draining.wait()
