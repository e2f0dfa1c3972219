""" "body" (RFC 5173)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mailmsg.tree import Kind as EntityKind

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.mime import Part
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text

_OCTETS_PER_STEP = 512


class Transform(Enum):
    """What of the body is looked at (§5)."""

    RAW = "raw"
    CONTENT = "content"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class BodyTest:
    """True where the body matches a key. It never sets match variables (§6)."""

    transform: Transform
    types: tuple[Text, ...]
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        if not machine.has_body:
            return False
        values = self._values(machine)
        if self.matcher.counts:
            return self.matcher.number(machine, sum(1 for _ in values))
        return self.matcher.any(machine, values, Source.MESSAGE, sets_variables=False)

    def _values(self, machine: Machine) -> Iterator[bytes]:
        if self.transform is Transform.RAW:
            yield machine.message.body if machine.frame.part is None else machine.root.render_body()
            return
        limit = machine.limits.decoded_octets
        if self.transform is Transform.TEXT:
            for part in machine.root.walk():
                if part.entity.kind is EntityKind.LEAF and part.content_type.maintype == b"text":
                    machine.spend(5 + min(part.size_octets, limit) // 16)
                    yield part.readable_text(limit)
            return
        types = [text.value(machine).lower() for text in self.types]
        for part in machine.root.walk():
            machine.spend(2 + len(types))
            if any(_is_of_type(part, wanted) for wanted in types):
                yield from _content(machine, part, limit)


def _is_of_type(part: Part, wanted: bytes) -> bool:
    if not wanted:
        return True
    maintype, slash, subtype = wanted.partition(b"/")
    if not slash:
        return part.content_type.maintype == maintype
    return bool(maintype and subtype) and (part.content_type.maintype, part.content_type.subtype) == (
        maintype,
        subtype,
    )


def _content(machine: Machine, part: Part, limit: int) -> Iterator[bytes]:
    """A part's strings: of a container what is neither in its parts nor between them (§5.2)."""
    machine.spend(5 + min(part.size_octets, limit) // _OCTETS_PER_STEP)
    kind = part.entity.kind
    if kind is EntityKind.MULTIPART:
        yield from part.prologue_and_epilogue()
    elif kind is EntityKind.MESSAGE:
        for inner in part.children:
            yield inner.header.render()
    else:
        text = part.text(limit) if part.content_type.maintype == b"text" else None
        yield part.decoded(limit) if text is None else text


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    transform = Transform(bound.one_of("raw", "content", "text") or "text")
    matcher = read_matcher(bound, compiler.scope, bound.texts(0))
    return BodyTest(transform, bound.tag_texts("content") or (), matcher)


_TAGS = (
    Tag("raw", group="transform"),
    Tag("content", Kind.STRINGS, group="transform"),
    Tag("text", group="transform"),
)
KINDS = (TestKind("body", Shape(((Kind.STRINGS,),), (*MATCH_TAGS, *_TAGS)), _compile, "body"),)
