"""What an account wishes of its mail without a script of its own: that it goes on to others, that senders are answered.

It is said in Sieve, so that one set of rules holds for both: who is answered (RFC 5230 §4.5, RFC 3834), once in how
many days, what stops a loop. The account's script comes first; what it discarded or refused is neither sent on nor
answered, and where it answers itself there is no second answer. What is taken for junk goes nowhere: whoever it names
as its sender has mostly not sent it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sieve.actions import Action, FileInto, Keep, Outcome, Redirect, Vacation
from sieve.errors import Place

# In the places of its actions: nobody's script has a blank at its end.
NAME = "settings "
DEFAULT_DAYS = 7
NOTHING_SAID = Outcome((Keep(Place(0)),), (), (), None, 0)


class Chosen(Protocol):
    """The fields of directoryclient's AccountSettings that are about this."""

    @property
    def forward_to(self) -> tuple[str, ...]: ...
    @property
    def forward_without_copy(self) -> bool: ...
    @property
    def vacation(self) -> bool: ...
    @property
    def vacation_subject(self) -> str: ...
    @property
    def vacation_text(self) -> str: ...
    @property
    def vacation_from(self) -> str: ...
    @property
    def vacation_until(self) -> str: ...
    @property
    def vacation_days(self) -> int: ...
    @property
    def vacation_addresses(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """`script` is Sieve; `keeps_copy`: what goes on to others stays here too."""

    script: bytes
    keeps_copy: bool


def wishes_of(chosen: Chosen, now: datetime) -> Wishes | None:
    """What holds now; None where nothing is wished."""
    if not chosen.forward_to and not chosen.vacation:
        return None
    lines = [f"redirect :copy {_quoted(address)};" for address in chosen.forward_to]
    if is_away(chosen, now):
        words = [f"vacation :days {chosen.vacation_days or DEFAULT_DAYS}"]
        if chosen.vacation_subject:
            words.append(f":subject {_quoted(chosen.vacation_subject)}")
        if chosen.vacation_addresses:
            words.append(f":addresses [{', '.join(map(_quoted, chosen.vacation_addresses))}]")
        lines.append(f"{' '.join(words)} {_quoted(chosen.vacation_text)};")
    if not lines:
        return None
    script = "\r\n".join(['require ["copy", "vacation"];', *lines, ""])
    return Wishes(script.encode(), not (chosen.forward_to and chosen.forward_without_copy))


def is_away(chosen: Chosen, now: datetime) -> bool:
    """Whether senders are answered now. An instant that cannot be read is none: the directory lets none in."""
    begins, ends = _instant(chosen.vacation_from), _instant(chosen.vacation_until)
    return (
        chosen.vacation
        and chosen.vacation_text.strip() != ""
        and (begins is None or begins <= now)
        and (ends is None or now < ends)
    )


def are_heard(outcome: Outcome) -> bool:
    """Whether a message that scripts dealt with so is sent on and answered: not where it was discarded or refused."""
    return any(isinstance(action, Keep | FileInto | Redirect) for action in outcome.actions)


def joined(outcome: Outcome, wished: Outcome, keeps_copy: bool) -> Outcome:
    """What the scripts asked for, and what is wished beside it.

    Without a copy only the implicit keep goes: what a script kept or filed by its own word stays.
    """
    more = [action for action in wished.actions if not isinstance(action, Keep)]
    known = {action.address.lower() for action in outcome.actions if isinstance(action, Redirect)}
    is_answered = any(isinstance(action, Vacation) for action in outcome.actions)
    added = tuple(action for action in more if not _repeats(action, known, is_answered))
    is_sent_on = any(isinstance(action, Redirect) for action in more)
    actions = tuple(
        action
        for action in outcome.actions
        if keeps_copy or not is_sent_on or not (isinstance(action, Keep) and action.is_implicit)
    )
    return replace(outcome, actions=(*actions, *added))


def without_strangers(outcome: Outcome, reachable: Sequence[str]) -> Outcome:
    """Redirects to none but these addresses: what goes nowhere must not be the only copy."""
    return replace(
        outcome,
        actions=tuple(
            action
            for action in outcome.actions
            if not isinstance(action, Redirect) or action.address in reachable
        ),
    )


def _repeats(action: Action, known: set[str], is_answered: bool) -> bool:
    return (isinstance(action, Redirect) and action.address.lower() in known) or (
        is_answered and isinstance(action, Vacation)
    )


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _quoted(text: str) -> str:
    """RFC 5228 §2.4.2: lines end with CRLF, also in a string."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return '"' + lines.replace("\\", "\\\\").replace('"', '\\"') + '"'
