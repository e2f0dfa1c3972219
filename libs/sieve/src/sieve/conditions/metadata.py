""" "metadata", "metadataexists", "servermetadata", "servermetadataexists" (RFC 5490 §3.3, §3.4, §4)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine, shown
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text
from sieve.world import Metadata


def _ask(machine: Machine, mailbox: Text | None, entry: Text) -> str | None:
    machine.spend(10)
    name = None if mailbox is None else shown(mailbox.value(machine))
    return machine.world.metadata(Metadata(name, shown(entry.value(machine))))


@dataclass(frozen=True, slots=True)
class MetadataTest:
    """True where an annotation exists and matches a key. `mailbox` is None for the server's."""

    mailbox: Text | None
    entry: Text
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        value = _ask(machine, self.mailbox, self.entry)
        if self.matcher.counts:
            return self.matcher.number(machine, 1 if value else 0)
        return value is not None and self.matcher.any(machine, [value.encode()], Source.USER)


@dataclass(frozen=True, slots=True)
class MetadataExistsTest:
    """True where all annotations exist."""

    mailbox: Text | None
    entries: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        return all(_ask(machine, self.mailbox, entry) is not None for entry in self.entries)


def _value(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    mailbox = bound.text(0) if node.name == "metadata" else None
    return MetadataTest(mailbox, bound.text(-2), read_matcher(bound, compiler.scope, bound.texts(-1)))


def _exists(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    mailbox = bound.text(0) if node.name == "metadataexists" else None
    return MetadataExistsTest(mailbox, bound.texts(-1))


_S, _L = Kind.STRING, Kind.STRINGS
KINDS = (
    TestKind("metadata", Shape(((_S, _S, _L),), MATCH_TAGS), _value, "mboxmetadata"),
    TestKind("metadataexists", Shape(((_S, _L),)), _exists, "mboxmetadata"),
    TestKind("servermetadata", Shape(((_S, _L),), MATCH_TAGS), _value, "servermetadata"),
    TestKind("servermetadataexists", Shape(((_L,),)), _exists, "servermetadata"),
)
