""" "valid_notify_method" and "notify_method_capability" (RFC 5435 §4, §5)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.mailto import parse_mailto
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text


def _is_valid(machine: Machine, method: Text) -> bool:
    """What "notify" asks of its method, the same here (§4)."""
    return machine.is_trusted(method) and parse_mailto(method.value(machine)) is not None


@dataclass(frozen=True, slots=True)
class ValidMethodTest:
    """True where all methods can be used."""

    methods: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        return all(_is_valid(machine, method) for method in self.methods)


@dataclass(frozen=True, slots=True)
class MethodCapabilityTest:
    """Compares what a method can do. Mail is "maybe" read at once (RFC 5436 §2.2)."""

    method: Text
    capability: Text
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        known = _is_valid(machine, self.method) and self.capability.value(machine).lower() == b"online"
        if self.matcher.counts:
            return known and self.matcher.number(machine, 1)
        return known and self.matcher.any(machine, [b"maybe"], Source.USER)


def _valid(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return ValidMethodTest(bound.texts(0))


def _capability(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    matcher = read_matcher(bound, compiler.scope, bound.texts(2))
    return MethodCapabilityTest(bound.text(0), bound.text(1), matcher)


KINDS = (
    TestKind("valid_notify_method", Shape(((Kind.STRINGS,),)), _valid, "enotify"),
    TestKind(
        "notify_method_capability",
        Shape(((Kind.STRING, Kind.STRING, Kind.STRINGS),), MATCH_TAGS),
        _capability,
        "enotify",
    ),
)
