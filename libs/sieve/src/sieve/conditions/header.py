""" "header" (RFC 5228 §5.7) and "exists" (§5.5), with ":mime" and its options (RFC 5703 §4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mailmsg.content import parse_content_type, parse_disposition

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.conditions.fields import INDEX_TAGS, MIME_TAGS, FieldChoice, field_names, read_field_choice
from sieve.header_block import HeaderField
from sieve.machine import Machine
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.mime import parameter
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text

_OPTION_TAGS = (
    Tag("type", None, "mime", "MIME option"),
    Tag("subtype", None, "mime", "MIME option"),
    Tag("contenttype", None, "mime", "MIME option"),
    Tag("param", Kind.STRINGS, "mime", "MIME option"),
)


class Option(Enum):
    """Which piece of a field is looked at."""

    ALL = ""
    TYPE = "type"
    SUBTYPE = "subtype"
    CONTENT_TYPE = "contenttype"
    PARAMETER = "param"


@dataclass(frozen=True, slots=True)
class HeaderTest:
    """True where a field's value matches a key."""

    choice: FieldChoice
    option: Option
    parameters: tuple[Text, ...]
    names: tuple[Text, ...]
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        names = field_names(machine, self.names)
        parameters = [name.value(machine).lower() for name in self.parameters]
        values = (
            value
            for field in self.choice.fields(machine, names)
            for value in _pieces(field, self.option, parameters)
        )
        if self.matcher.counts:
            return self.matcher.number(machine, sum(1 for _ in values))
        return self.matcher.any(machine, values, Source.MESSAGE)


@dataclass(frozen=True, slots=True)
class ExistsTest:
    """True where all the fields exist."""

    choice: FieldChoice
    names: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        return all(
            any(header.named(name) for header in self.choice.headers(machine))
            for name in field_names(machine, self.names)
        )


def _pieces(field: HeaderField, option: Option, parameters: list[bytes]) -> Iterator[bytes]:
    if option is Option.ALL:
        yield field.value
        return
    if field.name == b"content-disposition":
        disposition = parse_disposition(field.unfolded)
        if disposition is None:
            return
        maintype, subtype, given = disposition[0], b"", disposition[1]
        whole = maintype
    else:
        content_type = parse_content_type(field.unfolded)
        if content_type is None:
            return
        maintype, subtype, given = content_type.maintype, content_type.subtype, content_type.parameters
        whole = maintype + b"/" + subtype
    if option is Option.PARAMETER:
        for name in parameters:
            value = parameter(given, name)
            if value is not None:
                yield value
    else:
        yield {Option.TYPE: maintype, Option.SUBTYPE: subtype, Option.CONTENT_TYPE: whole}[option]


def _header(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    option = Option(bound.one_of("type", "subtype", "contenttype", "param") or "")
    if option is not Option.ALL and "mime" not in bound:
        raise bound.error(f'":{option.value}" needs ":mime"')
    return HeaderTest(
        read_field_choice(bound),
        option,
        bound.tag_texts("param") or (),
        bound.texts(0),
        read_matcher(bound, compiler.scope, bound.texts(1)),
    )


def _exists(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return ExistsTest(read_field_choice(bound), bound.texts(0))


KINDS = (
    TestKind(
        "header",
        Shape(((Kind.STRINGS, Kind.STRINGS),), (*MATCH_TAGS, *INDEX_TAGS, *MIME_TAGS, *_OPTION_TAGS)),
        _header,
    ),
    TestKind("exists", Shape(((Kind.STRINGS,),), MIME_TAGS), _exists),
)
