""" "keep" (RFC 5228 §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import Keep
from sieve.arguments import Bound, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.mailbox import FLAGS_TAG, current_flags
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text


@dataclass(frozen=True, slots=True)
class KeepCommand:
    """Put the message into the inbox."""

    flags: tuple[Text, ...] | None

    def run(self, machine: Machine) -> None:
        flags = current_flags(machine, self.flags)
        machine.ledger.keep(Keep(machine.place, flags, machine.edition()))


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return KeepCommand(bound.tag_texts("flags"))


KINDS = (CommandKind("keep", Shape(tags=(FLAGS_TAG,)), _compile),)
