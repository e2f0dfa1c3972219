""" "environment" (RFC 5183), with the items of RFC 6785 §4."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine, shown
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text

_EMPTY_AT_DELIVERY = frozenset({"imap.user", "imap.email", "imap.changedflags"})
_SOURCES = {"remote-host": Source.MESSAGE, "remote-ip": Source.MESSAGE, "imap.changedflags": Source.MESSAGE}


@dataclass(frozen=True, slots=True)
class EnvironmentTest:
    """True where an item of the environment matches a key; never where there is no such item (§4)."""

    name: Text
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        name = shown(self.name.value(machine)).lower()
        value = machine.situation.environment.get(name)
        if value is None and name in _EMPTY_AT_DELIVERY:
            value = ""
        if self.matcher.counts:
            return self.matcher.number(machine, 1 if value else 0)
        if value is None:
            return False
        return self.matcher.any(machine, [value.encode()], _SOURCES.get(name, Source.USER))


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return EnvironmentTest(bound.text(0), read_matcher(bound, compiler.scope, bound.texts(1)))


KINDS = (TestKind("environment", Shape(((Kind.STRING, Kind.STRINGS),), MATCH_TAGS), _compile, "environment"),)
