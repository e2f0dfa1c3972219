"""Several scripts for one message: a tenant's before the user's own, and after it.

Each runs as a script of its own, with its own limits and variables, on the message as the one before has left it. The
next one runs only where the message is to be kept, implicitly or by "keep": to keep it means to leave it to those who
follow, and the last of them decides. What the scripts ask for adds up; a mailbox gets the message once, an address
too, and one answer goes to the sender. A script that fails asks for nothing and ends the chain: what those before it
have asked for stays, and the message is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sieve.actions import Action, Edition, FileInto, Keep, Outcome, Redirect, RedirectToList, Vacation
from sieve.message import Message, Origin, Received
from sieve.program import Program
from sieve.run import run_on
from sieve.situation import Situation
from sieve.world import EmptyWorld, World


@dataclass(frozen=True, slots=True)
class Stage:
    """One script of a chain. `name` stands in the places of its actions."""

    name: str
    program: Program


def run_chain(
    stages: Sequence[Stage], received: Received, situation: Situation, world: World | None = None
) -> Outcome:
    """What all scripts of the chain ask for. Raises only what the world raises (see `sieve.run.run`)."""
    done = Outcome((), (), (), None, 0)
    edition: Edition | None = None
    for stage in stages:
        message = _edited(received, edition)
        outcome = run_on(stage.program, message, situation, world or EmptyWorld(), stage.name)
        kept = next((action for action in outcome.actions if isinstance(action, Keep)), None)
        done = Outcome(
            (*(action for action in done.actions if not isinstance(action, Keep)), *outcome.actions),
            done.effects + outcome.effects,
            done.tracks + outcome.tracks,
            outcome.error,
            done.steps + outcome.steps,
        )
        if kept is None or outcome.error is not None:
            break
        edition = kept.edition
        situation = replace(situation, flags=kept.flags)
    return replace(done, actions=_once(done.actions))


def _edited(received: Received, edition: Edition | None) -> Message:
    if edition is None:
        return Message(received)
    if edition.body is None:
        size = received.size_octets - len(received.header) + len(edition.header)
        return Message(Received(edition.header, received.body, size), Origin.HEADER_CHANGED)
    size = len(edition.header) + len(edition.body)
    return Message(Received(edition.header, edition.body, size), Origin.COMPOSED)


def _once(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The actions without those that only repeat one before them."""
    seen: set[object] = set()
    kept: list[Action] = []
    for action in actions:
        key: object = None
        if isinstance(action, FileInto):
            key = action.target.mailbox, action.target.special_use, action.target.mailbox_id
        elif isinstance(action, Redirect):
            key = action.address.lower()
        elif isinstance(action, RedirectToList):
            key = action.list_name, "list"
        elif isinstance(action, Vacation):
            key = Vacation
        if key is None or key not in seen:
            kept.append(action)
            seen.add(key)
    return tuple(kept)
