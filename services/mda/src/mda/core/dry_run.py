"""What a run of scripts would do, in words: one step for each action and each change, with the line that caused it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from sieve.actions import (
    Action,
    Discard,
    Effect,
    FileInto,
    FlagsSet,
    HeaderAdded,
    HeaderDeleted,
    Keep,
    MessageEnclosed,
    Notify,
    NotSent,
    Outcome,
    PartReplaced,
    Redirect,
    RedirectToList,
    Reject,
    Vacation,
)


@dataclass(frozen=True, slots=True)
class Step:
    """`line` 0: nobody asked for it, the implicit keep. `script` names one that is not the one that was started."""

    kind: str
    detail: str
    line: int
    script: str


def steps(outcome: Outcome) -> Iterator[Step]:
    """Changes first, then what is done."""
    for effect in outcome.effects:
        kind, detail = _effect(effect)
        yield Step(kind, detail, effect.place.line, effect.place.script)
    for action in outcome.actions:
        kind, detail = _action(action)
        yield Step(kind, detail, action.place.line, action.place.script)


def _action(action: Action) -> tuple[str, str]:
    match action:
        case Keep():
            return "implicit keep" if action.is_implicit else "keep", " ".join(action.flags)
        case FileInto(target=target):
            return "fileinto", " ".join((target.special_use or target.mailbox, *action.flags))
        case Redirect():
            return "redirect", action.address
        case RedirectToList():
            return "redirect to list", action.list_name
        case Discard():
            return "discard", ""
        case Reject():
            return action.refusal.value, action.reason
        case Vacation():
            return "vacation", f"{action.recipient}: {action.subject}"
        case Notify():
            return "notify", ", ".join((*action.recipients, *action.copies))
        case NotSent():
            return f"no {action.command}", action.reason.value
        case _:
            assert_never(action)


def _effect(effect: Effect) -> tuple[str, str]:
    match effect:
        case FlagsSet():
            return "flags", " ".join(filter(None, (effect.variable, *effect.flags)))
        case HeaderAdded():
            return "header added", f"{effect.name}: {effect.value} ({effect.position.value})"
        case HeaderDeleted():
            return "header deleted", f"{effect.name} ({effect.count})"
        case PartReplaced():
            return "part replaced", ".".join(map(str, effect.section)) or "the whole message"
        case MessageEnclosed():
            return "enclosed", ""
        case _:
            assert_never(effect)
