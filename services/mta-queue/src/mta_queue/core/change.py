"""What the operator can do to items. Each is kept as JSON with its job and in the audit."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias, assert_never

from mailproto.smtp.reply import Reply


class Notice(Enum):
    """Whether a sender is told that its mail was given up."""

    SENT = "sent"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Hold:
    """No attempts until it is released, or until that moment; a held item does not expire."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """What is held: attempts go on. What waits for the moment that its sender wants, and is not held: it is sent now."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt is made now; what is held, or waits for its release, goes on waiting."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """Give it up as failed."""

    reason: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Delete:
    """Forget it; nobody is told."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reroute:
    """Send it there instead of to the domain's MX (core.route); "" for the MX again."""

    route: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Give it up at this moment and not at the one that its schedule says."""

    expires_at: datetime


Change: TypeAlias = Hold | Release | Retry | Bounce | Delete | Reroute | Expire


def action_of(change: Change) -> str:
    """Its name."""
    return type(change).__name__.lower()


def reason_of(change: Change) -> str:
    """Why, where it says so."""
    match change:
        case Hold(reason, _) | Bounce(reason) | Delete(reason):
            return reason
        case Release() | Retry() | Reroute() | Expire():
            return ""
        case _:
            assert_never(change)


def last_word(change: Bounce | Delete) -> Reply:
    """What is recorded for each recipient, and what a notice says (RFC 3463 §3.4: X.3.0)."""
    word = "Returned" if isinstance(change, Bounce) else "Deleted"
    text = f"{word} by the operator" + (f": {change.reason}" if change.reason else "")
    return Reply.of(554, "5.3.0", text[:500])


def to_json(change: Change) -> dict[str, Any]:
    """With its name in `action`."""
    values: dict[str, Any] = {"action": action_of(change)}
    match change:
        case Hold(reason, until):
            values["reason"] = reason
            if until is not None:
                values["until"] = until.isoformat()
        case Delete(reason):
            values["reason"] = reason
        case Bounce(reason, notice):
            values |= {"reason": reason, "notice": notice.value}
        case Reroute(route):
            values["route"] = route
        case Expire(expires_at):
            values["expires_at"] = expires_at.isoformat()
        case Release() | Retry():
            pass
        case _:
            assert_never(change)
    return values


def from_json(values: dict[str, Any]) -> Change:
    """The reverse of to_json. Raises ValueError."""
    match values:
        case {"action": "hold", "reason": str(reason)}:
            until = values.get("until")
            return Hold(reason, datetime.fromisoformat(until) if until else None)
        case {"action": "release"}:
            return Release()
        case {"action": "retry"}:
            return Retry()
        case {"action": "bounce", "reason": str(reason), "notice": str(notice)}:
            return Bounce(reason, Notice(notice))
        case {"action": "delete", "reason": str(reason)}:
            return Delete(reason)
        case {"action": "reroute", "route": str(route)}:
            return Reroute(route)
        case {"action": "expire", "expires_at": str(expires_at)}:
            return Expire(datetime.fromisoformat(expires_at))
        case _:
            raise ValueError(f"no change that we know: {values.get('action')!r}")
