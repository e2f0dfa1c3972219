""" "valid_ext_list" (RFC 6134 §2.5)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine, shown
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text
from sieve.world import ListExists


@dataclass(frozen=True, slots=True)
class ValidListTest:
    """True where all the lists exist."""

    names: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        return all(machine.is_so(ListExists(shown(name.value(machine)))) for name in self.names)


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return ValidListTest(bound.texts(0))


KINDS = (TestKind("valid_ext_list", Shape(((Kind.STRINGS,),)), _compile, "extlists"),)
