"""What goes wrong again and again is said once a minute, with how often it was.

Of one process. `now` is in seconds, monotonic.
"""

from collections.abc import Hashable

QUIET_SECONDS = 60.0
# So many different things in a minute are said; more of them are counted by metrics alone.
MOST_SAID = 1_000


class Seldom:
    """When to say something, by key."""

    def __init__(self) -> None:
        # Until when nothing is said of it, and how often it came since; the earliest first.
        self._quiet: dict[Hashable, tuple[float, int]] = {}

    def times(self, key: Hashable, now: float) -> int:
        """It came once more: how often it is to be said that it did, this one counted; 0: it is not to be said now."""
        # How often it came is known for a while after, where there is room.
        past = now if len(self._quiet) >= MOST_SAID else now - QUIET_SECONDS
        while self._quiet and next(iter(self._quiet.values()))[0] <= past:
            del self._quiet[next(iter(self._quiet))]
        until, came = self._quiet.get(key, (now, 0))
        if now < until:
            self._quiet[key] = until, came + 1
            return 0
        if key not in self._quiet and len(self._quiet) >= MOST_SAID:
            return 0
        self._quiet.pop(key, None)
        self._quiet[key] = now + QUIET_SECONDS, 0
        return came + 1
