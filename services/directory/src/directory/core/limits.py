"""How many passwords may be guessed: tallies of failures, and how long to wait after the last one.

Failures are counted three ways. A *pair* is one account from one address prefix: it is slowed down first, and a
stranger who guesses from elsewhere slows nobody else down, so the owner is never locked out by him. A *prefix* is one
address of IPv4 or one /64 of IPv6, whatever account it tries; an account that has come in from there before does not
wait for it. *Everywhere* only lowers what the others may fail without waiting, while very many fail at once.

The delay doubles with each failure, up to a limit. Time is always an argument; who waits is refused without a look at
the password, and such a refusal counts for nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import ip_network

from directory.core.client_address import parse

FAMILIAR_DAYS = 30
V4_BITS, V6_BITS = 32, 64


class Breadth(Enum):
    """What a tally counts."""

    PAIR = "pair"
    PREFIX = "prefix"
    EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Rule:
    """`free` failures cost nothing; the next waits `first_seconds`, each one after it twice as long as the last."""

    free: int
    first_seconds: float
    most_seconds: float
    forgotten_seconds: float

    def delay_seconds(self, failures: int) -> float:
        """After so many failures."""
        if failures <= self.free:
            return 0.0
        return min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - self.free - 1, 40))


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds. `everywhere_a_minute` failures in a minute are too many to come from people."""

    pair: Rule = Rule(free=5, first_seconds=2.0, most_seconds=900.0, forgotten_seconds=86_400.0)
    prefix: Rule = Rule(free=20, first_seconds=2.0, most_seconds=1800.0, forgotten_seconds=21_600.0)
    pressed_pair: Rule = Rule(free=2, first_seconds=4.0, most_seconds=900.0, forgotten_seconds=86_400.0)
    pressed_prefix: Rule = Rule(free=1, first_seconds=8.0, most_seconds=1800.0, forgotten_seconds=21_600.0)
    everywhere_a_minute: int = 300

    def forgotten_seconds(self, breadth: Breadth) -> float:
        """How long after the last failure a tally begins anew."""
        match breadth:
            case Breadth.PAIR:
                return self.pair.forgotten_seconds
            case Breadth.PREFIX:
                return self.prefix.forgotten_seconds
            case Breadth.EVERYWHERE:
                return 120.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures since the last success or since they were forgotten."""

    failures: int = 0
    failed_at: datetime | None = None

    def current(self, now: datetime, forgotten_seconds: float) -> int:
        """The failures that still count."""
        if self.failed_at is None or (now - self.failed_at).total_seconds() >= forgotten_seconds:
            return 0
        return self.failures

    def blocked_until(self, now: datetime, rule: Rule) -> datetime | None:
        """When the next attempt is looked at; None: now."""
        delay = rule.delay_seconds(self.current(now, rule.forgotten_seconds))
        if self.failed_at is None or not delay:
            return None
        until = self.failed_at + timedelta(seconds=delay)
        return until if now < until else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an attempt before its password is looked at."""

    pair: Tally = Tally()
    prefix: Tally = Tally()
    lately_everywhere: int = 0
    succeeded_at: datetime | None = None

    def is_familiar(self, now: datetime) -> bool:
        """Whether this account came in from there not too long ago."""
        return self.succeeded_at is not None and now - self.succeeded_at < timedelta(days=FAMILIAR_DAYS)

    def is_suspicious(self, now: datetime, rules: Rules) -> bool:
        """Whether a yes now would follow much guessing: at this account from there, or from there at any."""
        guessed = self.pair.current(now, rules.pair.forgotten_seconds) >= rules.pair.free
        sprayed = self.prefix.current(now, rules.prefix.forgotten_seconds) >= rules.prefix.free // 2
        return guessed or (sprayed and not self.is_familiar(now))

    def wait_seconds(self, now: datetime, rules: Rules) -> float:
        """How long the attempt must wait; 0: it is looked at."""
        pressed = self.lately_everywhere >= rules.everywhere_a_minute
        untils = [self.pair.blocked_until(now, rules.pressed_pair if pressed else rules.pair)]
        if not self.is_familiar(now):
            untils.append(self.prefix.blocked_until(now, rules.pressed_prefix if pressed else rules.prefix))
        return max(((until - now).total_seconds() for until in untils if until is not None), default=0.0)


def prefix_of(client_address: str) -> str:
    """The prefix that an address is counted under, e.g. `192.0.2.1/32`; "" for what is no address."""
    address = parse(client_address)
    if address is None:
        return ""
    return str(ip_network((address, V4_BITS if address.version == 4 else V6_BITS), strict=False))


def is_own_machine(client_address: str) -> bool:
    """Whether it is loopback: a proxy or a program of ours. Prefixes are not counted there: it would be everybody."""
    address = parse(client_address)
    return address is not None and address.is_loopback


def minute_of(now: datetime) -> str:
    """The name of the minute under which failures everywhere are counted."""
    return now.strftime("%Y-%m-%dT%H:%M")
