"""How often somebody has tried lately, whatever came of it: who tries for the first time goes before who insists.

Of one process and forgetful, unlike the tallies of failures: it only says in which order passwords are looked at when
there are more than can be. `now` is in seconds, monotonic.
"""

WINDOW_SECONDS = 60.0
MOST_KEPT = 50_000


class Lately:
    """Counts by key, over this window and the one before it."""

    def __init__(self) -> None:
        self._window = 0
        self._current: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def tries(self, key: str, now: float) -> int:
        """How often before; this one is counted."""
        window = int(now / WINDOW_SECONDS)
        if window != self._window:
            self._before = self._current if window == self._window + 1 else {}
            self._current = {}
            self._window = window
        count = self._current.get(key, 0)
        if count or len(self._current) < MOST_KEPT:
            self._current[key] = count + 1
        return count + self._before.get(key, 0)
