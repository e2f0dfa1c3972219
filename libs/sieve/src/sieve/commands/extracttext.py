""" "extracttext" (RFC 5703 §7)."""

from __future__ import annotations

from dataclasses import dataclass

from mailmsg.tree import Kind as EntityKind

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.commands.set_variable import MODIFIER_TAGS, Modifier, read_modifiers
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Reference


@dataclass(frozen=True, slots=True)
class ExtractText:
    """Put the text of the current part into a variable, at most `first` characters of it."""

    variable: Reference
    modifiers: tuple[Modifier, ...]
    first: int | None

    def run(self, machine: Machine) -> None:
        part = machine.part
        limit = machine.limits.variable_octets
        if self.first is not None:
            limit = min(limit, 4 * self.first)
        text: bytes | None = None
        if part.content_type.maintype == b"text" and part.entity.kind is EntityKind.LEAF:
            machine.spend(5 + min(part.size_octets, machine.limits.decoded_octets) // 128)
            text = part.text(machine.limits.decoded_octets)
        value = (text or b"")[:limit]
        if self.first is not None:
            value = value.decode("utf-8", "ignore")[: self.first].encode("utf-8")
        for modifier in self.modifiers:
            value = modifier(value)
        machine.set_variable(self.variable, value, is_trusted=False)


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    scope = compiler.scope
    scope.use("variables", '"extracttext"', node.line)
    if not scope.loops:
        raise bound.error('must stand within "foreverypart"')
    variable = scope.variable(bound.text(0), node.line)
    if not variable.namespace:
        scope.set_variables.add(variable.name)
    return ExtractText(variable, read_modifiers(bound), bound.tag_number("first"))


_SHAPE = Shape(((Kind.STRING,),), (*MODIFIER_TAGS, Tag("first", Kind.NUMBER)))
KINDS = (CommandKind("extracttext", _SHAPE, _compile, "extracttext"),)
