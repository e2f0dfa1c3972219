""" "string" (RFC 5229 §5)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text


@dataclass(frozen=True, slots=True)
class StringTest:
    """True where a string of the script matches a key; nothing is stripped."""

    sources: tuple[Text, ...]
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        if self.matcher.counts:
            return self.matcher.number(machine, sum(1 for text in self.sources if text.value(machine)))
        for text in self.sources:
            source = Source.USER if machine.is_trusted(text) else Source.MESSAGE
            if self.matcher.any(machine, [text.value(machine)], source):
                return True
        return False


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return StringTest(bound.texts(0), read_matcher(bound, compiler.scope, bound.texts(1)))


KINDS = (TestKind("string", Shape(((Kind.STRINGS, Kind.STRINGS),), MATCH_TAGS), _compile, "variables"),)
