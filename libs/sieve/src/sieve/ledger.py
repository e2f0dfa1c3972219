"""The actions that a run has asked for so far, and which of them go together (RFC 5228 §2.10)."""

from __future__ import annotations

from sieve.actions import (
    Action,
    Discard,
    Edition,
    FileInto,
    Keep,
    Notify,
    NotSent,
    Redirect,
    RedirectToList,
    Reject,
    Target,
    Vacation,
)
from sieve.errors import Fault, Place
from sieve.limits import Limits

_INBOX = Target("INBOX")
_WHERE_IT_IS = Target("")


class Ledger:
    """Actions in order. A second one for the same mailbox or address changes the first (RFC 5228 §2.10.3)."""

    def __init__(self, limits: Limits, *, is_delivered: bool = True) -> None:
        """Of a message that lies in a mailbox already (`is_delivered` False) a keep leaves it there (RFC 6785 §3.1)."""
        self._limits = limits
        self._kept = _INBOX if is_delivered else _WHERE_IT_IS
        self._actions: list[Action] = []
        self._filed: dict[Target, int] = {}
        self._redirected: set[str] = set()
        self._notified = 0
        self._reject: Reject | None = None
        self._vacation = False
        self._keeps_implicitly = True

    def keep(self, action: Keep) -> None:
        """An explicit keep."""
        self._check_not_rejected("keep")
        self._file(self._kept, action)
        self._keeps_implicitly = False

    def file_into(self, action: FileInto, *, copies: bool) -> None:
        """A fileinto; with ":copy" it leaves the implicit keep alone (RFC 3894 §3)."""
        self._check_not_rejected("fileinto")
        self._file(_key(action.target), action)
        self._keeps_implicitly &= copies

    def redirect(self, action: Redirect | RedirectToList, *, copies: bool) -> None:
        """A redirect; with ":copy" it leaves the implicit keep alone."""
        self._check_not_rejected("redirect")
        key = action.address.lower() if isinstance(action, Redirect) else f" {action.list_name}"
        if key not in self._redirected:
            if len(self._redirected) >= self._limits.redirects:
                raise Fault(f"a script may redirect to {self._limits.redirects} addresses at most")
            self._redirected.add(key)
            self._add(action)
        self._keeps_implicitly &= copies

    def discard(self, action: Discard) -> None:
        """A discard cancels the implicit keep, and that is all (RFC 5228 §4.4)."""
        self._add(action)
        self._keeps_implicitly = False

    def reject(self, action: Reject) -> None:
        """A reject or ereject, at most one (RFC 5429 §2.4)."""
        if self._reject is not None:
            raise Fault("a message can be rejected only once")
        if self._vacation:
            raise Fault('"reject" does not go together with "vacation"')
        if self._filed or self._redirected:
            raise Fault("a message that is delivered can't be rejected")
        self._reject = action
        self._add(action)
        self._keeps_implicitly = False

    def vacation(self, action: Vacation | NotSent) -> None:
        """A vacation, at most one (RFC 5230 §4.7)."""
        if self._vacation:
            raise Fault('"vacation" can be run only once')
        self._check_not_rejected("vacation")
        self._vacation = True
        self._add(action)

    def notify(self, action: Notify | NotSent) -> None:
        """A notification (RFC 5435 §7). The same one twice is sent once (RFC 5436 §2.7)."""
        if isinstance(action, Notify):
            addressed = {
                frozenset((*other.recipients, *other.copies))
                for other in self._actions
                if isinstance(other, Notify)
            }
            if frozenset((*action.recipients, *action.copies)) in addressed:
                return
            if self._notified >= self._limits.notifications:
                raise Fault(f"a script may send {self._limits.notifications} notifications at most")
            self._notified += 1
        self._add(action)

    def close(self, flags: tuple[str, ...], edition: Edition | None) -> tuple[Action, ...]:
        """All actions, the implicit keep among them where nothing has cancelled it (RFC 5228 §2.10.2)."""
        if self._keeps_implicitly:
            self._file(self._kept, Keep(Place(0), flags, edition), is_limited=False)
        return tuple(self._actions)

    def _file(self, key: Target, action: Keep | FileInto, *, is_limited: bool = True) -> None:
        known = self._filed.get(key)
        if known is None:
            self._filed[key] = len(self._actions)
            self._add(action, is_limited=is_limited)
            return
        # "The last flag list value MUST win" (RFC 5232 §3); of several editions the first (RFC 5293 §7).
        first = self._actions[known]
        if isinstance(first, Keep):
            self._actions[known] = Keep(first.place, action.flags, first.edition)
        elif isinstance(first, FileInto):
            self._actions[known] = FileInto(first.place, first.target, action.flags, first.edition)

    def _add(self, action: Action, *, is_limited: bool = True) -> None:
        if is_limited and len(self._actions) >= self._limits.actions:
            raise Fault(f"a script may take {self._limits.actions} actions at most")
        self._actions.append(action)

    def _check_not_rejected(self, command: str) -> None:
        if self._reject is not None:
            raise Fault(f'"{command}" does not go together with "{self._reject.refusal.value}"')


def _key(target: Target) -> Target:
    name = "INBOX" if target.mailbox.upper() == "INBOX" else target.mailbox
    return Target(name, False, target.special_use and target.special_use.lower(), target.mailbox_id)
