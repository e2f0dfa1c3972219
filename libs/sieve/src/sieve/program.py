"""What a script becomes: statements that act on a machine, and conditions that ask it something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sieve.limits import Limits
from sieve.scripts import ScriptNamed

if TYPE_CHECKING:
    from sieve.arguments import Bound, Shape
    from sieve.compiler import Compiler
    from sieve.machine import Machine
    from sieve.syntax import CommandNode, TestNode


class Statement(Protocol):
    """A command, ready to run."""

    def run(self, machine: Machine) -> None:
        """Do it. Raises Fault, and the exceptions of `sieve.machine` that change where the run goes on."""


class Condition(Protocol):
    """A test, ready to be asked."""

    def holds(self, machine: Machine) -> bool:
        """Its answer. Raises Fault."""


@dataclass(frozen=True, slots=True)
class Line:
    """A statement and the line that it stands on."""

    number: int
    statement: Statement


Block = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled script; it holds no state, so one is enough for all messages.

    `features` are the extensions that something in it uses, `may_need_body` says whether a run may ask for more of a
    message than its header and size: an included script may, for all that is known. `includes` are the scripts that
    it may include itself, for who wants to have them at hand.
    """

    block: Block
    required: frozenset[str]
    includes: frozenset[ScriptNamed]
    features: frozenset[str]
    available: frozenset[str]
    limits: Limits

    @property
    def may_need_body(self) -> bool:
        """False where header and size are enough to run it."""
        return not self.features.isdisjoint(_READS_BODY)


_READS_BODY = frozenset(
    {"body", "mime", "foreverypart", "extracttext", "replace", "enclose", "include"},
)


@dataclass(frozen=True, slots=True)
class CommandKind:
    """A command of the language: its shape, the extension that has it, and how it is compiled."""

    name: str
    shape: Shape
    compile: Callable[[CommandNode, Bound, Compiler], Statement]
    capability: str = ""


@dataclass(frozen=True, slots=True)
class TestKind:
    """A test of the language: its shape, the extension that has it, and how it is compiled."""

    name: str
    shape: Shape
    compile: Callable[[TestNode, Bound, Compiler], Condition]
    capability: str = ""
