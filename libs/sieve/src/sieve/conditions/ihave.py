""" "ihave" (RFC 5463 §4)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.capabilities import CHANGES_READING, IMPLIED
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode


@dataclass(frozen=True, slots=True)
class IHaveTest:
    """True where all these extensions are there: then they may be used from here on."""

    capabilities: tuple[str, ...]

    def holds(self, machine: Machine) -> bool:
        program = machine.frame.program
        for capability in self.capabilities:
            if capability in program.required:
                continue
            if capability not in program.available or capability in CHANGES_READING:
                return False
        machine.enable(self.capabilities)
        for capability in self.capabilities:
            machine.enable(tuple(IMPLIED.get(capability, ())))
        return True


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    names = [bound.constant(text, "the name of an extension") for text in bound.texts(0)]
    return IHaveTest(tuple(name.decode("utf-8", "replace") for name in names))


KINDS = (TestKind("ihave", Shape(((Kind.STRINGS,),)), _compile, "ihave"),)
