"""When to try again: 5 minutes, doubling to an hour, for 5 days, with jitter so that a host that comes back is not
overrun (RFC 5321 §4.5.4.1 asks for 30 minutes at least in the long run and 4 to 5 days in all).
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule for all, for now."""

    first_seconds: float
    longest_seconds: float
    expire_seconds: float

    def expires_at(self, arrived_at: datetime) -> datetime:
        """When a message is given up."""
        return arrived_at + timedelta(seconds=self.expire_seconds)

    def next_attempt(
        self, attempts: int, now: datetime, expires_at: datetime, chance: random.Random
    ) -> datetime | None:
        """The moment of the next attempt after so many; None when it would be too late.

        The last attempt is made at the very end, not skipped because the doubled wait would go past it.
        """
        if now >= expires_at:
            return None
        wait = min(self.first_seconds * 2 ** min(attempts - 1, 30), self.longest_seconds)
        wait *= 1 + chance.uniform(-JITTER, JITTER)
        return min(now + timedelta(seconds=wait), expires_at)
