""" "foreverypart" and "break" (RFC 5703 §3)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.machine import Break, Machine
from sieve.program import Block, CommandKind, Statement
from sieve.syntax import CommandNode


@dataclass(frozen=True, slots=True)
class ForEveryPart:
    """Run a block for the message and every part in it, depth first; within another loop for the parts in its part."""

    block: Block

    def run(self, machine: Machine) -> None:
        parts = machine.frame.parts
        loop = len(parts)
        walk = machine.part.walk()
        if loop:
            next(walk)
        for part in walk:
            machine.spend(2)
            parts.append(part)
            try:
                machine.run_block(self.block)
            except Break as ended:
                if ended.loop != loop:
                    parts.pop()
                    raise
                parts.pop()
                break
            parts.pop()


@dataclass(frozen=True, slots=True)
class BreakCommand:
    """End a loop: the innermost, or the one with a name."""

    loop: int

    def run(self, machine: Machine) -> None:
        raise Break(self.loop)


def _loop(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    name = bound.tag_text("name")
    loops = compiler.scope.loops
    loops.append(
        "" if name is None else bound.constant(name, "the name of a loop").decode("utf-8", "replace")
    )
    try:
        assert node.block is not None
        return ForEveryPart(compiler.block(node.block))
    finally:
        loops.pop()


def _break(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    loops = compiler.scope.loops
    if not loops:
        raise bound.error('must stand within "foreverypart"')
    name = bound.tag_text("name")
    if name is None:
        return BreakCommand(len(loops) - 1)
    wanted = bound.constant(name, "the name of a loop").decode("utf-8", "replace")
    for number in range(len(loops) - 1, -1, -1):
        if wanted and loops[number] == wanted:
            return BreakCommand(number)
    raise bound.error(f'no loop around is called "{wanted[:100]}"')


_NAME = (Tag("name", Kind.STRING),)
KINDS = (
    CommandKind("foreverypart", Shape(tags=_NAME, block=True), _loop, "foreverypart"),
    CommandKind("break", Shape(tags=_NAME), _break, "foreverypart"),
)
