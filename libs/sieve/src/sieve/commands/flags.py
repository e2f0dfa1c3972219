""" "setflag", "addflag", "removeflag" (RFC 5232 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sieve.actions import FlagsSet
from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.flags import flag_names, joined
from sieve.machine import Held, Machine
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Reference, Text


class Change(Enum):
    """What happens to the set of flags."""

    SET = "setflag"
    ADD = "addflag"
    REMOVE = "removeflag"


@dataclass(frozen=True, slots=True)
class FlagsCommand:
    """Change the flags in a variable, or in the internal one where `variable` is None."""

    change: Change
    variable: Reference | None
    flags: tuple[Text, ...]

    def run(self, machine: Machine) -> None:
        given = b" ".join(flag.value(machine) for flag in self.flags)
        is_trusted = all(machine.is_trusted(flag) for flag in self.flags)
        if self.change is not Change.SET and self.variable is not None:
            is_trusted = is_trusted and machine.is_trusted_variable(
                self.variable
            )  # What was in it stays in it.
        before = machine.flags.value if self.variable is None else machine.value_of(self.variable)
        machine.spend(1 + (len(given) + len(before)) // 64)
        names = flag_names(given)
        if self.change is Change.ADD:
            names = flag_names(before + b" " + given)
        elif self.change is Change.REMOVE:
            removed = {name.lower() for name in names}
            names = tuple(name for name in flag_names(before) if name.lower() not in removed)
        names = names[: machine.limits.flags]
        if self.variable is None:
            machine.flags = Held(joined(names), is_trusted)
        else:
            machine.set_variable(self.variable, joined(names), is_trusted=is_trusted)
        shown = "" if self.variable is None else self.variable.name
        machine.note(FlagsSet(machine.place, shown, names))


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    scope = compiler.scope
    variable: Reference | None = None
    if len(bound.positional) == 2:
        scope.use("variables", "the name of a variable", node.line)
        variable = scope.variable(bound.text(0), node.line)
        if not variable.namespace:
            scope.set_variables.add(variable.name)
    return FlagsCommand(Change(node.name), variable, bound.texts(len(bound.positional) - 1))


_SHAPE = Shape(((Kind.STRINGS,), (Kind.STRING, Kind.STRINGS)))
KINDS = tuple(CommandKind(change.value, _SHAPE, _compile, "imap4flags") for change in Change)
