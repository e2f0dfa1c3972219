""" "reject" and "ereject" (RFC 5429)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import Refusal, Reject
from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine, shown
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text

MAX_REASON_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class RejectCommand:
    """Refuse the message."""

    refusal: Refusal
    reason: Text

    def run(self, machine: Machine) -> None:
        reason = shown(self.reason.value(machine))[:MAX_REASON_CHARACTERS]
        machine.ledger.reject(Reject(machine.place, self.refusal, reason))


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return RejectCommand(Refusal(node.name), bound.text(0))


_SHAPE = Shape(((Kind.STRING,),))
KINDS = (
    CommandKind("reject", _SHAPE, _compile, "reject"),
    CommandKind("ereject", _SHAPE, _compile, "ereject"),
)
