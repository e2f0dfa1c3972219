"""How much of what, by whom, in how long: rates as buckets that fill up again by themselves.

A bucket is one number for each key: how much of it is in use. It trickles out at the rate, so that a whole period's amount
can be used at once and then comes back. A key of which nothing is in use costs nothing and is forgotten; with more than
KEYS_MOST keys in use the oldest is forgotten too, which errs on the side of letting in. Where an amount was chosen for a
key the number goes on to count: a wider choice makes room at once.

Time is an argument, in seconds that never go back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

KEYS_MOST = 100_000
SWEEP_KEYS = 1024
NOT_IN_USE = (0.0, 0.0, 0)
# Of what has trickled out, floating point loses less.
SLACK = 1e-6


class Limited(Enum):
    """What is limited; the value is its name between processes and in metrics."""

    CLIENT_CONNECTIONS = "client_connections"
    CLIENT_MESSAGES = "client_messages"
    CLIENT_RECIPIENTS = "client_recipients"
    CLIENT_OFFENCES = "client_offences"
    ACCOUNT_MESSAGES = "account_messages"
    ACCOUNT_MESSAGES_DAILY = "account_messages_daily"
    ACCOUNT_RECIPIENTS = "account_recipients"
    ACCOUNT_RECIPIENTS_DAILY = "account_recipients_daily"
    ACCOUNT_OVERRUNS = "account_overruns"
    TENANT_MESSAGES = "tenant_messages"
    TENANT_MESSAGES_DAILY = "tenant_messages_daily"
    TENANT_RECIPIENTS = "tenant_recipients"
    TENANT_RECIPIENTS_DAILY = "tenant_recipients_daily"
    DOMAIN_MESSAGES = "domain_messages"
    DOMAIN_RECIPIENTS = "domain_recipients"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds; 0 is no limit."""

    amount: int
    seconds: float


# What is allowed of a key where that is not what the rate says.
Chosen = Mapping[Limited, int]
NOTHING_CHOSEN: Chosen = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Spent:
    """Use of a limit by a key. `allowed` is what was chosen for the key, 0 where nothing was."""

    limited: Limited
    key: str
    amount: int
    allowed: int = 0


class Bucket:
    """All keys of one rate. `allowed` stands for the rate's amount where something else was chosen for the key."""

    def __init__(self, rate: Rate, keys_most: int = KEYS_MOST) -> None:
        self._rate = rate
        self._keys_most = keys_most
        # By key, in the order of their last use: how much was in use, when, and how much was allowed then.
        self._in_use: dict[str, tuple[float, float, int]] = {}

    def has_room(self, key: str, amount: int, now: float, allowed: int = 0) -> bool:
        """Whether so much more may be used now."""
        allowed = allowed or self._rate.amount
        return not allowed or self.level(key, now) + amount <= allowed + SLACK

    def spend(self, key: str, amount: int, now: float, allowed: int = 0) -> None:
        """It was used, here or elsewhere."""
        allowed = allowed or self._rate.amount
        if not allowed:
            return
        # What another process let through may go beyond; the key is not made to pay for that for ever.
        level = min(self.level(key, now) + amount, 2.0 * allowed)
        self._in_use.pop(key, None)
        if len(self._in_use) >= self._keys_most:
            self._forget(now)
        self._in_use[key] = (level, now, allowed)

    def level(self, key: str, now: float) -> float:
        """How much is in use now."""
        level, at, allowed = self._in_use.get(key, NOT_IN_USE)
        return max(level - (now - at) * allowed / self._rate.seconds, 0.0)

    def allowed(self, key: str) -> int:
        """How much was allowed at its last use; 0 where it is not in use."""
        return self._in_use.get(key, NOT_IN_USE)[2]

    def forgive(self, key: str, amount: int, now: float) -> None:
        """So much less is in use."""
        level = self.level(key, now) - amount
        if level > 0:
            self._in_use[key] = (level, now, self.allowed(key))
        else:
            self._in_use.pop(key, None)

    def forget(self, key: str) -> None:
        """Nothing is in use."""
        self._in_use.pop(key, None)

    def _forget(self, now: float) -> None:
        """The first keys are paid up, or the oldest."""
        oldest = [key for key, _ in zip(self._in_use, range(SWEEP_KEYS), strict=False)]
        paid = [key for key in oldest if self.level(key, now) <= 0]
        for key in paid or oldest[:1]:
            del self._in_use[key]


class Limits:
    """All rates of a process. What was used since it was last asked for is there for the other processes."""

    def __init__(self, rates: dict[Limited, Rate]) -> None:
        self._buckets = {limited: Bucket(rate) for limited, rate in rates.items()}
        self._untold: dict[tuple[Limited, str, int], int] = {}

    def refusing(
        self,
        keys: Sequence[tuple[Limited, str]],
        amount: int,
        now: float,
        chosen: Chosen = NOTHING_CHOSEN,
    ) -> Limited | None:
        """The first limit that lets so much more not through."""
        for limited, key in keys:
            if not self._buckets[limited].has_room(key, amount, now, chosen.get(limited, 0)):
                return limited
        return None

    def spend(
        self,
        keys: Sequence[tuple[Limited, str]],
        amount: int,
        now: float,
        chosen: Chosen = NOTHING_CHOSEN,
    ) -> None:
        """So much was used of all of them."""
        for limited, key in keys:
            allowed = chosen.get(limited, 0)
            self._buckets[limited].spend(key, amount, now, allowed)
            use = (limited, key, allowed)
            self._untold[use] = self._untold.get(use, 0) + amount

    def take(
        self,
        keys: Sequence[tuple[Limited, str]],
        amount: int,
        now: float,
        chosen: Chosen = NOTHING_CHOSEN,
    ) -> Limited | None:
        """Use so much of all of them, or of none; the limit that refuses."""
        refusing = self.refusing(keys, amount, now, chosen)
        if refusing is None:
            self.spend(keys, amount, now, chosen)
        return refusing

    def spent_elsewhere(self, spent: Spent, now: float) -> None:
        """Another process let it through."""
        self._buckets[spent.limited].spend(spent.key, spent.amount, now, spent.allowed)

    def allowed(self, limited: Limited, key: str) -> int:
        """How much was allowed at its last use; 0 where it is not in use."""
        return self._buckets[limited].allowed(key)

    def level(self, limited: Limited, key: str, now: float) -> float:
        """How much is in use now."""
        return self._buckets[limited].level(key, now)

    def forgive(self, limited: Limited, key: str, amount: int, now: float) -> None:
        """So much less is in use, in this process."""
        self._buckets[limited].forgive(key, amount, now)

    def forget(self, limited: Limited, key: str) -> None:
        """Nothing is in use, in this process."""
        self._buckets[limited].forget(key)
        for use in [each for each in self._untold if each[:2] == (limited, key)]:
            del self._untold[use]

    def untold(self) -> list[Spent]:
        """What was used here and not told yet; asked for once."""
        spent = [
            Spent(limited, key, amount, allowed) for (limited, key, allowed), amount in self._untold.items()
        ]
        self._untold.clear()
        return spent
