"""How a sender wants a message to travel: REQUIRETLS (RFC 8689), DELIVERBY (RFC 2852), MT-PRIORITY (RFC 6710) and
FUTURERELEASE (RFC 4865), as parameters of MAIL and as what they come to at a moment.

On the wire times are relative (BY, HOLDFOR) because clocks differ; what waits here has instants.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

BY = re.compile(r"([+-]?)([0-9]{1,9});([NR])(T?)", re.IGNORECASE)
HOLD_FOR = re.compile(r"[1-9][0-9]{0,8}")
# date-time of RFC 3339 §5.6 (erratum 2040 of RFC 4865)
DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
FRACTION = re.compile(r"\.[0-9]+")
PRIORITY = re.compile(r"0|-?[1-9]")
BY_SECONDS_MOST = 999_999_999


class WishInvalid(ValueError):
    """The value is none; the message says what one looks like."""


class TlsWish(Enum):
    """What the sender wants of TLS on the way."""

    USUAL = "usual"
    # MAIL with REQUIRETLS: only to systems that prove who they are and promise the same.
    REQUIRED = "required"
    # The header field `TLS-Required: No`: rather in clear than not at all.
    OPTIONAL = "optional"


class ByMode(Enum):
    """What happens when the time is over (by-mode)."""

    NOTIFY = "N"
    RETURN = "R"


class Relayed(Enum):
    """Whether the sender is told of every system that the message is passed on to (by-trace)."""

    UNTOLD = ""
    TOLD = "T"


@dataclass(frozen=True, slots=True)
class By:
    """BY= of MAIL. `seconds` is negative where a time to notify at is over."""

    seconds: int
    mode: ByMode
    relayed: Relayed = Relayed.UNTOLD

    @property
    def value(self) -> str:
        """As it is said."""
        return f"{self.seconds};{self.mode.value}{self.relayed.value}"


@dataclass(frozen=True, slots=True)
class DeliverBy:
    """The same with its moment."""

    at: datetime
    mode: ByMode
    relayed: Relayed = Relayed.UNTOLD

    def left(self, now: datetime) -> By:
        """What a next system is told: the time that is left, rounded down."""
        seconds = (self.at - now) // timedelta(seconds=1)
        return By(max(-BY_SECONDS_MOST, min(seconds, BY_SECONDS_MOST)), self.mode, self.relayed)


@dataclass(frozen=True, slots=True)
class HoldFor:
    """HOLDFOR= of MAIL."""

    seconds: int


@dataclass(frozen=True, slots=True)
class HoldUntil:
    """HOLDUNTIL= of MAIL."""

    at: datetime


Hold = HoldFor | HoldUntil


@dataclass(frozen=True, slots=True)
class Wishes:
    """What they come to. `priority` is from -9 to 9; `release_at` None is at once."""

    tls: TlsWish = TlsWish.USUAL
    deliver_by: DeliverBy | None = None
    priority: int = 0
    release_at: datetime | None = None

    @property
    def deliver_by_at(self) -> datetime | None:
        """Until when it is to be delivered, where that was asked for."""
        return None if self.deliver_by is None else self.deliver_by.at

    def is_held(self, now: datetime) -> bool:
        """Whether it is too early to deliver it."""
        return self.release_at is not None and self.release_at > now


NO_WISHES = Wishes()


def parse_by(value: str) -> By:
    """Raises WishInvalid."""
    match = BY.fullmatch(value)
    if match is None:
        raise WishInvalid("BY=seconds;N or BY=seconds;R, with T for a trace")
    seconds = int(match[2]) * (-1 if match[1] == "-" else 1)
    by = By(seconds, ByMode(match[3].upper()), Relayed(match[4].upper()))
    if by.mode is ByMode.RETURN and seconds <= 0:
        raise WishInvalid("BY=seconds;R with some time left")
    return by


def parse_priority(value: str) -> int:
    """Raises WishInvalid."""
    if not PRIORITY.fullmatch(value):
        raise WishInvalid("MT-PRIORITY=priority, from -9 to 9")
    return int(value)


def parse_hold_for(value: str) -> HoldFor:
    """Raises WishInvalid."""
    if not HOLD_FOR.fullmatch(value):
        raise WishInvalid("HOLDFOR=seconds")
    return HoldFor(int(value))


def parse_hold_until(value: str) -> HoldUntil:
    """Raises WishInvalid."""
    if not DATE_TIME.fullmatch(value):
        raise WishInvalid("HOLDUNTIL=date-time, as 2030-01-31T12:00:00Z")
    try:
        # Fractions of a second are of no use here, and a leap second is the second after it.
        text = FRACTION.sub("", value.upper())
        leaps = text[17:19] == "60"
        at = datetime.fromisoformat(text[:17] + "59" + text[19:] if leaps else text).astimezone(UTC)
        return HoldUntil(at + timedelta(seconds=1) if leaps else at)
    except (ValueError, OverflowError) as error:
        raise WishInvalid("HOLDUNTIL=date-time, as 2030-01-31T12:00:00Z") from error


def date_time(at: datetime) -> str:
    """As FUTURERELEASE says it, whole seconds in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wishes_at(now: datetime, tls: TlsWish, by: By | None, priority: int, hold: Hold | None) -> Wishes:
    """What MAIL's parameters mean now. Raises WishInvalid where they contradict each other."""
    match hold:
        case None:
            release_at = None
        case HoldFor(seconds):
            release_at = now + timedelta(seconds=seconds)
        case HoldUntil(at):
            release_at = at if at > now else None
    deliver_by = None
    if by is not None:
        deliver_by = DeliverBy(now + timedelta(seconds=by.seconds), by.mode, by.relayed)
        if release_at is not None and deliver_by.at <= release_at:
            raise WishInvalid("a BY= that is over before the message is released")
    return Wishes(tls, deliver_by, priority, release_at)
