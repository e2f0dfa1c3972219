""" "addheader" and "deleteheader" (RFC 5293)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailmsg.compose import field
from mailmsg.words import encode_words

from sieve.actions import HeaderAdded, HeaderDeleted, Position
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.conditions.fields import INDEX_TAGS, FieldChoice, read_field_choice
from sieve.errors import Fault
from sieve.machine import Machine, shown
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text

PROTECTED = frozenset({b"received", b"auto-submitted"})
"""Fields that can't be deleted (§6)."""

_NAME = re.compile(rb"[!-9;-~]{1,76}\Z")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LONGEST_LINE_OCTETS = 998


def _count_edit(machine: Machine) -> None:
    machine.header_edits += 1
    if machine.header_edits > machine.limits.header_edits:
        raise Fault(f"a script may edit the header {machine.limits.header_edits} times at most")


def _field_name(machine: Machine, name: Text) -> bytes:
    value = name.value(machine)
    if _NAME.match(value) is None:
        raise Fault(f'"{shown(value)[:100]}" is no name of a header field')
    return value


def field_value(name: bytes, value: bytes, limit_octets: int) -> bytes:
    """A value as it stands in a header: folded, with encoded words where it is not ASCII. Raises Fault."""
    value = _FOLD.sub(b"", value).strip(b" \t")
    if _UNFIT.search(value) is not None:
        raise Fault("the value of a header field can't hold line ends or control characters")
    if len(value) > limit_octets:
        raise Fault(f"the value of a header field is longer than {limit_octets} octets")
    if not value.isascii():
        return encode_words(value.decode("utf-8", "replace"))
    folded = (
        field(name, value)
        if len(name) + len(value) > _LONGEST_LINE_OCTETS
        else name + b": " + value + b"\r\n"
    )
    if any(len(line) > _LONGEST_LINE_OCTETS for line in folded.split(b"\r\n")):
        raise Fault("the value of a header field has a word that is too long")
    return folded[len(name) + 2 : -2] if folded.startswith(name + b": ") else folded[len(name) + 1 : -2]


@dataclass(frozen=True, slots=True)
class AddHeaderCommand:
    """Add a field to the message."""

    position: Position
    name: Text
    value: Text

    def run(self, machine: Machine) -> None:
        _count_edit(machine)
        name = _field_name(machine, self.name)
        value = self.value.value(machine)
        written = field_value(name, value, machine.limits.header_value_octets)
        header = machine.message.header
        if self.position is Position.FIRST:
            header.add_first(name, written)
        else:
            header.add_last(name, written)
        machine.note(HeaderAdded(machine.place, shown(name), shown(value), self.position))


@dataclass(frozen=True, slots=True)
class DeleteHeaderCommand:
    """Delete fields of the message. `matcher` is None where all values are meant."""

    choice: FieldChoice
    name: Text
    matcher: Matcher | None

    def run(self, machine: Machine) -> None:
        _count_edit(machine)
        name = _field_name(machine, self.name).lower()
        if name in PROTECTED:
            return
        header = machine.message.header
        found = list(header.named(name))
        machine.spend(1 + len(found) // 4)
        index = self.choice.index
        if index is not None:
            position = -index if self.choice.from_last else index - 1
            found = [found[position]] if 0 < index <= len(found) else []
        if self.matcher is not None and self.matcher.counts:
            found = found if self.matcher.number(machine, len(found)) else []
        elif self.matcher is not None:
            matcher = self.matcher
            found = [field for field in found if matcher.any(machine, [field.value], Source.MESSAGE)]
        header.delete(found)
        machine.note(HeaderDeleted(machine.place, shown(name), len(found)))


def _check_name(bound: Bound, name: Text) -> None:
    if name.is_constant and _NAME.match(name.source) is None:
        raise bound.error(f'"{shown(name.source)[:100]}" is no name of a header field')


def _add(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    _check_name(bound, bound.text(0))
    position = Position.LAST if "last" in bound else Position.FIRST
    return AddHeaderCommand(position, bound.text(0), bound.text(1))


def _delete(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    _check_name(bound, bound.text(0))
    patterns = bound.texts(1) if len(bound.positional) == 2 else None
    matcher = None if patterns is None else read_matcher(bound, compiler.scope, patterns)
    return DeleteHeaderCommand(read_field_choice(bound), bound.text(0), matcher)


# ":index" and ":last" belong to "deleteheader" itself (§5), not to the extension "index".
_INDEX_TAGS = tuple(Tag(tag.name, tag.value) for tag in INDEX_TAGS)
KINDS = (
    CommandKind("addheader", Shape(((Kind.STRING, Kind.STRING),), (Tag("last"),)), _add, "editheader"),
    CommandKind(
        "deleteheader",
        Shape(((Kind.STRING,), (Kind.STRING, Kind.STRINGS)), (*MATCH_TAGS, *_INDEX_TAGS)),
        _delete,
        "editheader",
    ),
)
