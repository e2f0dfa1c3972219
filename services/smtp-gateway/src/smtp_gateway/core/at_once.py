"""How many there are at the same time, by key, in this process and in the others.

Each process tells the others how many it has; what it said holds for HEARD_SECONDS, and it says it again before that. So one
that died is forgotten, and what is late lets somebody have a little more. Few are not told: below an eighth of what is
allowed, so that the many who have one session cost nothing; that is off by less than an eighth for each other process.

Time is an argument, in seconds that never go back.
"""

from dataclasses import dataclass
from enum import Enum

HEARD_SECONDS = 30.0
SAY_AGAIN_SECONDS = 10.0
TOLD_SHARE = 8
KEYS_MOST = 100_000
SWEEP_KEYS = 1024


class Together(Enum):
    """What is counted at once; the value is its name between processes and in metrics."""

    CLIENT_SESSIONS = "client_sessions"
    ACCOUNT_SESSIONS = "account_sessions"
    TENANT_SESSIONS = "tenant_sessions"
    DOMAIN_TRANSACTIONS = "domain_transactions"


@dataclass(frozen=True, slots=True)
class Held:
    """So many of a key are in one process now."""

    together: Together
    key: str
    count: int


class AtOnce:
    """All keys of one kind; 0 allowed is no limit."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._count: dict[str, int] = {}
        # Keys whose count changed since it was told, and what was told last, and when.
        self._changed: set[str] = set()
        self._told: dict[str, tuple[int, float]] = {}
        # By key and process: how many, and when that was heard.
        self._elsewhere: dict[str, dict[str, tuple[int, float]]] = {}

    def enter(self, key: str, now: float) -> bool:
        """False where there are too many; then nothing is counted."""
        count = self._count.get(key, 0)
        if self._allowed and count + self.elsewhere(key, now) >= self._allowed:
            return False
        self._count[key] = count + 1
        self._changed.add(key)
        return True

    def leave(self, key: str) -> None:
        """One that entered is gone."""
        if self._count[key] == 1:
            del self._count[key]
        else:
            self._count[key] -= 1
        self._changed.add(key)

    def elsewhere(self, key: str, now: float) -> int:
        """How many the other processes have, as far as they said so lately."""
        heard = self._elsewhere.get(key)
        if heard is None:
            return 0
        return sum(count for count, at in heard.values() if now - at < HEARD_SECONDS)

    def untold(self, now: float) -> list[tuple[str, int]]:
        """Keys, and how many there are: what changed, and what was told so long ago that it must be said again."""
        changed, self._changed = self._changed, set()
        if not self._allowed:
            return []
        again = {key for key, (_, at) in self._told.items() if now - at >= SAY_AGAIN_SECONDS}
        found = []
        for key in changed | again:
            count = self._count.get(key, 0)
            if count * TOLD_SHARE < self._allowed:
                count = 0
            if count:
                if key in again or self._told.get(key, (0, 0.0))[0] != count:
                    self._told[key] = (count, now)
                    found.append((key, count))
            elif self._told.pop(key, None) is not None:
                found.append((key, 0))
        return found

    def heard(self, teller: str, key: str, count: int, now: float) -> None:
        """Another process has so many."""
        heard = self._elsewhere.pop(key, {})
        heard = {who: said for who, said in heard.items() if now - said[1] < HEARD_SECONDS and who != teller}
        if count:
            heard[teller] = (count, now)
        if heard:
            if len(self._elsewhere) >= KEYS_MOST:
                self._forget(now)
            self._elsewhere[key] = heard

    def _forget(self, now: float) -> None:
        """What was said too long ago, or the oldest."""
        oldest = [key for key, _ in zip(self._elsewhere, range(SWEEP_KEYS), strict=False)]
        for key in [key for key in oldest if not self.elsewhere(key, now)] or oldest[:1]:
            del self._elsewhere[key]
