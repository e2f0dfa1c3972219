""" "discard" (RFC 5228 §4.4), "stop" (§3.3), "error" (RFC 5463 §5)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import Discard
from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.machine import Machine, Stop, shown
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text

MAX_REASON_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class DiscardCommand:
    """Drop the message."""

    def run(self, machine: Machine) -> None:
        machine.ledger.discard(Discard(machine.place))


@dataclass(frozen=True, slots=True)
class StopCommand:
    """End the run."""

    def run(self, machine: Machine) -> None:
        raise Stop


@dataclass(frozen=True, slots=True)
class ErrorCommand:
    """End the run with an error."""

    message: Text

    def run(self, machine: Machine) -> None:
        reason = shown(self.message.value(machine))[:MAX_REASON_CHARACTERS]
        raise Fault(reason or "the script ended itself with an error")


def _discard(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return DiscardCommand()


def _stop(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return StopCommand()


def _error(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return ErrorCommand(bound.text(0))


KINDS = (
    CommandKind("discard", Shape(), _discard),
    CommandKind("stop", Shape(), _stop),
    CommandKind("error", Shape(((Kind.STRING,),)), _error, "ihave"),
)
