""" "hasflag" (RFC 5232 §4)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.flags import flag_names
from sieve.machine import Machine
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Reference, Text


@dataclass(frozen=True, slots=True)
class HasFlagTest:
    """True where a flag in a variable, or in the internal one, matches a key."""

    variables: tuple[Reference, ...] | None
    keys: tuple[Text, ...]
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        if self.variables is None:
            sets = [machine.flags.value]
        else:
            sets = [machine.value_of(variable) for variable in self.variables]
        names = [name.encode("ascii") for flags in sets for name in flag_names(flags)]
        machine.spend(1 + len(names) // 8)
        if self.matcher.counts:
            return self.matcher.number(machine, len(names))
        # A string is a list of flags with spaces between, empty ones count for nothing (§2).
        keys = [key for text in self.keys for key in text.value(machine).split(b" ") if key]
        return self.matcher.any_key(machine, names, keys, Source.MESSAGE)


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    scope = compiler.scope
    variables: tuple[Reference, ...] | None = None
    if len(bound.positional) == 2:
        scope.use("variables", "the name of a variable", node.line)
        variables = tuple(scope.variable(name, node.line) for name in bound.texts(0))
    keys = bound.texts(len(bound.positional) - 1)
    return HasFlagTest(variables, keys, read_matcher(bound, scope, keys))


_SHAPE = Shape(((Kind.STRINGS,), (Kind.STRINGS, Kind.STRINGS)), MATCH_TAGS)
KINDS = (TestKind("hasflag", _SHAPE, _compile, "imap4flags"),)
