"""When to try again, when to tell the sender, when to give up.

By default 5 minutes, doubling to an hour, for 5 days, with jitter so that a host that comes back is not
overrun (RFC 5321 §4.5.4.1 asks for 30 minutes at least in the long run and 4 to 5 days in all).
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule. `jitter` is a share of each wait, up and down; `warn_seconds` 0: the sender is not told."""

    first_seconds: float
    longest_seconds: float
    expire_seconds: float
    jitter: float = JITTER
    warn_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError, with a sentence, for what is no schedule."""
        if not 0 < self.first_seconds <= self.longest_seconds <= 7 * 86_400:
            raise ValueError("waits are up to 7 days long, and the first is not longer than the longest")
        if not 0 < self.expire_seconds <= 30 * 86_400:
            raise ValueError("mail is given up after at most 30 days")
        if not 0 <= self.jitter <= 0.5:
            raise ValueError("jitter is a share from 0 to 0.5")
        if not 0 <= self.warn_seconds <= 30 * 86_400:
            raise ValueError("a warning comes after at most 30 days; 0 for none")

    def expires_at(self, arrived_at: datetime) -> datetime:
        """When a message is given up."""
        return arrived_at + timedelta(seconds=self.expire_seconds)

    def warn_at(self, arrived_at: datetime) -> datetime | None:
        """When the sender is told that it takes longer; None where it would be given up before, or is not told."""
        if not 0 < self.warn_seconds < self.expire_seconds:
            return None
        return arrived_at + timedelta(seconds=self.warn_seconds)

    def next_attempt(
        self, attempts: int, now: datetime, expires_at: datetime, chance: random.Random
    ) -> datetime | None:
        """The moment of the next attempt after so many; None when it would be too late.

        The last attempt is made at the very end, not skipped because the doubled wait would go past it.
        """
        if now >= expires_at:
            return None
        wait = min(self.first_seconds * 2 ** min(max(attempts, 1) - 1, 30), self.longest_seconds)
        wait *= 1 + chance.uniform(-self.jitter, self.jitter)
        return min(now + timedelta(seconds=wait), expires_at)
