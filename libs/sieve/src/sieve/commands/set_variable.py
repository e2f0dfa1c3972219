""" "set" and its modifiers (RFC 5229 §4), ":encodeurl" (RFC 5435 §6), ":quoteregex" (draft-ietf-sieve-regex)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.matching import regex_syntax, wildcard
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Reference, Text

Modifier = Callable[[bytes], bytes]


def _length(value: bytes) -> bytes:
    return b"%d" % len(value.decode("utf-8", "replace"))


def _quote_regex(value: bytes) -> bytes:
    text = value.decode("utf-8", "surrogateescape")
    return regex_syntax.quoted(text).encode("utf-8", "surrogateescape")


# In the order in which they are applied; one of each group at most (RFC 5229 §4.1).
_MODIFIERS: dict[str, Modifier] = {
    "lower": bytes.lower,
    "upper": bytes.upper,
    "lowerfirst": lambda value: value[:1].lower() + value[1:],
    "upperfirst": lambda value: value[:1].upper() + value[1:],
    "quotewildcard": wildcard.quoted,
    "quoteregex": _quote_regex,
    "encodeurl": lambda value: quote_from_bytes(value, safe="").encode("ascii"),
    "length": _length,
}
MODIFIER_TAGS = (
    Tag("lower", group="precedence 40"),
    Tag("upper", group="precedence 40"),
    Tag("lowerfirst", group="precedence 30"),
    Tag("upperfirst", group="precedence 30"),
    Tag("quotewildcard", group="precedence 20"),
    Tag("quoteregex", None, "regex", "precedence 20"),
    Tag("encodeurl", None, "enotify", "precedence 15"),
    Tag("length", group="precedence 10"),
)


def read_modifiers(bound: Bound) -> tuple[Modifier, ...]:
    """The modifiers that were given, in the order of their precedence."""
    return tuple(modifier for name, modifier in _MODIFIERS.items() if name in bound)


@dataclass(frozen=True, slots=True)
class SetCommand:
    """Give a variable a value."""

    variable: Reference
    modifiers: tuple[Modifier, ...]
    value: Text

    def run(self, machine: Machine) -> None:
        value = self.value.value(machine)
        for modifier in self.modifiers:
            machine.spend(len(value) // 256)
            value = modifier(value)
        machine.set_variable(self.variable, value, is_trusted=machine.is_trusted(self.value))


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    variable = compiler.scope.variable(bound.text(0), node.line)
    if not variable.namespace:
        compiler.scope.set_variables.add(variable.name)
    return SetCommand(variable, read_modifiers(bound), bound.text(1))


KINDS = (CommandKind("set", Shape(((Kind.STRING, Kind.STRING),), MODIFIER_TAGS), _compile, "variables"),)
