"""Addresses that did not answer, remembered for a while: a host that is away costs one connection and not one for each message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

# Each failure in a row doubles the time, up to so many times the first.
LONGEST_TIMES = 16
MOST_KEPT = 10_000
# Host, address, port, and the pool of sources that it was not reached from.
Key = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class Dead:
    """It did not answer, and is not asked again before `until`."""

    until: datetime
    seconds: float
    text: str


class DeadHosts:
    """By host, address, port and pool. Each failure in a row doubles the time; an answer ends it."""

    def __init__(self, clock: Callable[[], datetime], first_seconds: float) -> None:
        self._clock = clock
        self._first_seconds = first_seconds
        self._dead: dict[Key, Dead] = {}

    def is_dead(self, key: Key) -> Dead | None:
        """Whether not to try it now."""
        found = self._dead.get(key)
        return found if found is not None and found.until > self._clock() else None

    def failed(self, key: Key, text: str) -> Dead:
        """No connection, or no word after it."""
        if (already := self.is_dead(key)) is not None:
            # Attempts that were under way together are one failure.
            return already
        known = self._dead.pop(key, None)
        seconds = (
            self._first_seconds
            if known is None
            else min(known.seconds * 2, self._first_seconds * LONGEST_TIMES)
        )
        if len(self._dead) >= MOST_KEPT:
            del self._dead[next(iter(self._dead))]
        made = self._dead[key] = Dead(self._clock() + timedelta(seconds=seconds), seconds, text)
        return made

    def forget(self) -> None:
        """All may be there."""
        self._dead.clear()

    def answered(self, key: Key) -> None:
        """It is there."""
        self._dead.pop(key, None)
