"""Running a program over a message (RFC 5228 §2.10)."""

from __future__ import annotations

from sieve.actions import Keep, Outcome
from sieve.errors import Fault, Place, RunError
from sieve.flags import flag_names
from sieve.machine import Machine, Return, Stop
from sieve.message import Message, Received
from sieve.program import Program
from sieve.situation import Situation
from sieve.world import EmptyWorld, World


def run(program: Program, received: Received, situation: Situation, world: World | None = None) -> Outcome:
    """All that the script asks for, or nothing but the implicit keep where it fails (RFC 5228 §2.10.6).

    Raises only what the world raises: `sieve.world.Unanswered` where an answer must be found before it can go on.
    """
    return run_on(program, Message(received), situation, world or EmptyWorld())


def run_on(program: Program, message: Message, situation: Situation, world: World, name: str = "") -> Outcome:
    """`run` for a message that may have been changed before; `name` is the script's in places."""
    machine = Machine(program, message, situation, world, name)
    untouched = message.edition()
    try:
        try:
            machine.run_block(program.block)
        except (Stop, Return):
            pass
        actions = machine.ledger.close(flag_names(machine.flags.value), machine.edition())
    except Fault as fault:
        keep = Keep(Place(0), situation.flags, untouched)
        return Outcome((keep,), (), (), RunError(machine.place, str(fault)), machine.steps)
    return Outcome(
        actions, tuple(machine.effects), tuple(machine.tracks.values()), error=None, steps=machine.steps
    )
