""" "size" (RFC 5228 §5.9)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode


@dataclass(frozen=True, slots=True)
class SizeTest:
    """Compares the size of the message as received. A size that is the limit is neither over nor under it."""

    is_over: bool
    limit_octets: int

    def holds(self, machine: Machine) -> bool:
        size = machine.message.size_octets
        return size > self.limit_octets if self.is_over else size < self.limit_octets


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    which = bound.one_of("over", "under")
    if which is None:
        raise bound.error('takes ":over" or ":under"')
    return SizeTest(which == "over", bound.number(0))


_TAGS = (Tag("over", group="relation"), Tag("under", group="relation"))
KINDS = (TestKind("size", Shape(((Kind.NUMBER,),), _TAGS), _compile),)
