""" "duplicate" (RFC 7352)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import Track
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.machine import Machine, shown
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text
from sieve.world import SeenBefore


@dataclass(frozen=True, slots=True)
class DuplicateTest:
    """True where an earlier run saw the id. That it is seen now is told in the outcome, not to this run (§3)."""

    handle: Text | None
    header: Text | None
    unique_id: Text | None
    seconds: int | None
    extends: bool

    def holds(self, machine: Machine) -> bool:
        unique_id = self._id(machine)
        limits = machine.limits
        seconds = limits.duplicate_default_seconds if self.seconds is None else self.seconds
        seconds = min(seconds, limits.duplicate_maximum_seconds)
        if unique_id is None or seconds == 0:
            return False
        handle = "" if self.handle is None else shown(self.handle.value(machine))
        is_seen = machine.is_so(SeenBefore(handle, unique_id, seconds))
        machine.tracks[handle, unique_id] = Track(handle, unique_id, seconds, self.extends)
        return is_seen

    def _id(self, machine: Machine) -> bytes | None:
        if self.unique_id is not None:
            return self.unique_id.value(machine)
        name = b"message-id" if self.header is None else self.header.value(machine).lower()
        found = machine.header.named(name)
        return found[0].value if found else None


def _compile(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return DuplicateTest(
        bound.tag_text("handle"),
        bound.tag_text("header"),
        bound.tag_text("uniqueid"),
        bound.tag_number("seconds"),
        "last" in bound,
    )


_TAGS = (
    Tag("handle", Kind.STRING),
    Tag("header", Kind.STRING, group="id"),
    Tag("uniqueid", Kind.STRING, group="id"),
    Tag("seconds", Kind.NUMBER),
    Tag("last"),
)
KINDS = (TestKind("duplicate", Shape(tags=_TAGS), _compile, "duplicate"),)
