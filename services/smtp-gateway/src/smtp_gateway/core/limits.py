"""How much of what, by whom, in how long: rates as buckets that fill up again by themselves, and numbers at once.

A bucket (the generic cell rate algorithm) is one number for each key: the moment until which its use is paid. It may lie
at most the period of its rate ahead, so that a whole period's amount can be used at once and then trickles back. A key
that is paid up costs nothing and is forgotten; with more than KEYS_MOST keys in use the oldest is forgotten too, which
errs on the side of letting in.

Time is an argument, in seconds that never go back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

KEYS_MOST = 100_000
SWEEP_KEYS = 1024


class Limited(Enum):
    """What is limited; the value is its name between processes and in metrics."""

    CLIENT_CONNECTIONS = "client_connections"
    CLIENT_MESSAGES = "client_messages"
    CLIENT_RECIPIENTS = "client_recipients"
    CLIENT_OFFENCES = "client_offences"
    ACCOUNT_MESSAGES = "account_messages"
    ACCOUNT_RECIPIENTS = "account_recipients"
    ACCOUNT_RECIPIENTS_DAILY = "account_recipients_daily"
    TENANT_MESSAGES = "tenant_messages"
    TENANT_RECIPIENTS = "tenant_recipients"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds; 0 is no limit."""

    amount: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Use of a limit by a key."""

    limited: Limited
    key: str
    amount: int


class Bucket:
    """All keys of one rate."""

    def __init__(self, rate: Rate, keys_most: int = KEYS_MOST) -> None:
        self._rate = rate
        self._keys_most = keys_most
        self._paid_until: dict[str, float] = {}

    def has_room(self, key: str, amount: int, now: float) -> bool:
        """Whether so much more may be used now."""
        if not self._rate.amount:
            return True
        return self._after(key, amount, now) <= now + self._rate.seconds

    def spend(self, key: str, amount: int, now: float) -> None:
        """It was used, here or elsewhere."""
        if not self._rate.amount:
            return
        after = self._after(key, amount, now)
        self._paid_until.pop(key, None)
        if len(self._paid_until) >= self._keys_most:
            self._forget(now)
        # What another process let through may go beyond; the key is not made to pay for that for ever.
        self._paid_until[key] = min(after, now + 2 * self._rate.seconds)

    def level(self, key: str, now: float) -> float:
        """How much is in use now."""
        if not self._rate.amount:
            return 0.0
        return max(self._paid_until.get(key, now) - now, 0.0) * self._rate.amount / self._rate.seconds

    def forgive(self, key: str, amount: int, now: float) -> None:
        """So much less is in use."""
        paid_until = self._paid_until.get(key)
        if paid_until is None:
            return
        less = paid_until - amount * self._rate.seconds / self._rate.amount
        if less > now:
            self._paid_until[key] = less
        else:
            del self._paid_until[key]

    def forget(self, key: str) -> None:
        """Nothing is in use."""
        self._paid_until.pop(key, None)

    def _after(self, key: str, amount: int, now: float) -> float:
        return max(self._paid_until.get(key, now), now) + amount * self._rate.seconds / self._rate.amount

    def _forget(self, now: float) -> None:
        """Keys are in the order of their last use: the first ones are paid up, or the oldest."""
        oldest = [key for key, _ in zip(self._paid_until, range(SWEEP_KEYS), strict=False)]
        paid = [key for key in oldest if self._paid_until[key] <= now]
        for key in paid or oldest[:1]:
            del self._paid_until[key]


class Limits:
    """All rates of a process. What was used since it was last asked for is there for the other processes."""

    def __init__(self, rates: dict[Limited, Rate]) -> None:
        self._buckets = {limited: Bucket(rate) for limited, rate in rates.items()}
        self._untold: dict[tuple[Limited, str], int] = {}

    def refusing(self, keys: Sequence[tuple[Limited, str]], amount: int, now: float) -> Limited | None:
        """The first limit that lets so much more not through."""
        for limited, key in keys:
            if not self._buckets[limited].has_room(key, amount, now):
                return limited
        return None

    def spend(self, keys: Sequence[tuple[Limited, str]], amount: int, now: float) -> None:
        """So much was used of all of them."""
        for limited, key in keys:
            self._buckets[limited].spend(key, amount, now)
            self._untold[(limited, key)] = self._untold.get((limited, key), 0) + amount

    def take(self, keys: Sequence[tuple[Limited, str]], amount: int, now: float) -> Limited | None:
        """Use so much of all of them, or of none; the limit that refuses."""
        refusing = self.refusing(keys, amount, now)
        if refusing is None:
            self.spend(keys, amount, now)
        return refusing

    def spent_elsewhere(self, spent: Spent, now: float) -> None:
        """Another process let it through."""
        self._buckets[spent.limited].spend(spent.key, spent.amount, now)

    def level(self, limited: Limited, key: str, now: float) -> float:
        """How much is in use now."""
        return self._buckets[limited].level(key, now)

    def forgive(self, limited: Limited, key: str, amount: int, now: float) -> None:
        """So much less is in use, in this process."""
        self._buckets[limited].forgive(key, amount, now)

    def forget(self, limited: Limited, key: str) -> None:
        """Nothing is in use, in this process."""
        self._buckets[limited].forget(key)
        self._untold.pop((limited, key), None)

    def untold(self) -> list[Spent]:
        """What was used here and not told yet; asked for once."""
        spent = [Spent(limited, key, amount) for (limited, key), amount in self._untold.items()]
        self._untold.clear()
        return spent


class AtOnce:
    """How many there are now, by key; 0 allowed is no limit."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._count: dict[str, int] = {}

    def enter(self, key: str) -> bool:
        """False where there are too many; then nothing is counted."""
        count = self._count.get(key, 0)
        if self._allowed and count >= self._allowed:
            return False
        self._count[key] = count + 1
        return True

    def leave(self, key: str) -> None:
        """One that entered is gone."""
        if self._count[key] == 1:
            del self._count[key]
        else:
            self._count[key] -= 1
