""" "allof", "anyof", "not", "true", "false" (RFC 5228 §5.2, §5.3, §5.6, §5.8, §5.10). Left to right, and no further
than needed (RFC 5229 §3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Inner, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where all are."""

    conditions: tuple[Condition, ...]

    def holds(self, machine: Machine) -> bool:
        return all(machine.holds(condition) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where any is."""

    conditions: tuple[Condition, ...]

    def holds(self, machine: Machine) -> bool:
        return any(machine.holds(condition) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    condition: Condition

    def holds(self, machine: Machine) -> bool:
        return not machine.holds(self.condition)


@dataclass(frozen=True, slots=True)
class Constant:
    """ "true" or "false"."""

    answer: bool

    def holds(self, machine: Machine) -> bool:
        return self.answer


def _conditions(node: TestNode, compiler: Compiler) -> tuple[Condition, ...]:
    return tuple(compiler.condition(test) for test in node.tests)


def _all_of(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return AllOf(_conditions(node, compiler))


def _any_of(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return AnyOf(_conditions(node, compiler))


def _not(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return Not(compiler.condition(node.tests[0]))


def _constant(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return Constant(node.name == "true")


KINDS = (
    TestKind("allof", Shape(tests=Inner.LIST), _all_of),
    TestKind("anyof", Shape(tests=Inner.LIST), _any_of),
    TestKind("not", Shape(tests=Inner.ONE), _not),
    TestKind("true", Shape(), _constant),
    TestKind("false", Shape(), _constant),
)
