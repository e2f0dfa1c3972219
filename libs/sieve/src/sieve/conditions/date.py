""" "date" and "currentdate" (RFC 5260 §4, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.conditions.fields import INDEX_TAGS, FieldChoice, field_names, read_field_choice
from sieve.errors import Fault
from sieve.machine import Machine, shown
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.moment import PARTS, date_in_field, date_part, zone_offset
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text


class Zone(Enum):
    """A zone that is known without looking."""

    LOCAL = "local"
    ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class DateTest:
    """True where a part of a date, in a field or now, matches a key. `field` is None for "currentdate"."""

    choice: FieldChoice
    zone: Zone | Text
    field: Text | None
    part: Text
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        part = self.part.value(machine).lower()
        if part not in PARTS:
            raise Fault(f'a date has no part "{shown(part)[:100]}"')
        zone = self._zone(machine)
        moment = machine.situation.now if self.field is None else self._written(machine, self.field)
        if self.matcher.counts:
            return self.matcher.number(machine, 0 if moment is None else 1)
        if moment is None:
            return False
        try:
            value = date_part(moment if zone is None else moment.astimezone(zone), part)
        except (ValueError, OverflowError):  # In another zone it may fall out of the calendar.
            return False
        source = Source.USER if self.field is None else Source.MESSAGE
        return self.matcher.any(machine, [value], source)

    def _zone(self, machine: Machine) -> tzinfo | None:
        if self.zone is Zone.ORIGINAL:
            return None
        if self.zone is Zone.LOCAL:
            return machine.situation.zone
        assert isinstance(self.zone, Text)
        given = self.zone.value(machine)
        zone = zone_offset(given)
        if zone is None:
            raise Fault(f'"{shown(given)[:100]}" is no time zone')
        return zone

    def _written(self, machine: Machine, name: Text) -> datetime | None:
        for field in self.choice.fields(machine, field_names(machine, (name,))):
            return date_in_field(field.unfolded)  # Only the first counts (§4).
        return None


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    zone: Zone | Text = bound.tag_text("zone") or (Zone.ORIGINAL if "originalzone" in bound else Zone.LOCAL)
    if isinstance(zone, Text) and zone.is_constant and zone_offset(zone.source) is None:
        raise bound.error(f'"{shown(zone.source)[:100]}" is no time zone')
    field = bound.text(0) if node.name == "date" else None
    part = bound.text(-2)
    if part.is_constant and part.source.lower() not in PARTS:
        raise bound.error(f'a date has no part "{shown(part.source)[:100]}"')
    matcher = read_matcher(bound, compiler.scope, bound.texts(-1))
    return DateTest(read_field_choice(bound), zone, field, part, matcher)


_ZONE = Tag("zone", Kind.STRING, group="zone")
_ORIGINAL = Tag("originalzone", group="zone")
KINDS = (
    TestKind(
        "date",
        Shape(((Kind.STRING, Kind.STRING, Kind.STRINGS),), (*MATCH_TAGS, *INDEX_TAGS, _ZONE, _ORIGINAL)),
        _compile,
        "date",
    ),
    TestKind("currentdate", Shape(((Kind.STRING, Kind.STRINGS),), (*MATCH_TAGS, _ZONE)), _compile, "date"),
)
