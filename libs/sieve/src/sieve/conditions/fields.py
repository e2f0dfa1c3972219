"""Which header fields a test looks at: by name, ":index" and ":last" (RFC 5260 §6), ":mime" and ":anychild"
(RFC 5703 §4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Tag
from sieve.header_block import HeaderBlock, HeaderField
from sieve.machine import Machine
from sieve.text import Text

INDEX_TAGS = (Tag("index", Kind.NUMBER, "index"), Tag("last", None, "index"))
MIME_TAGS = (Tag("mime", None, "mime"), Tag("anychild", None, "mime"))


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """The fields that a test looks at, but for their names."""

    index: int | None
    from_last: bool
    mime: bool
    any_child: bool

    def headers(self, machine: Machine) -> Iterator[HeaderBlock]:
        """The header blocks."""
        if not self.mime:
            yield machine.header
        elif not self.any_child:
            yield machine.part.header
        else:
            for part in machine.part.walk():
                machine.spend(2)
                yield part.header

    def fields(self, machine: Machine, names: list[bytes]) -> Iterator[HeaderField]:
        """The fields with these names, in the order of the names."""
        for header in self.headers(machine):
            if self.index is None:
                for name in names:
                    yield from header.named(name)
                continue
            found = [field for name in names for field in header.named(name)]
            if 0 < self.index <= len(found):
                yield found[-self.index if self.from_last else self.index - 1]


def read_field_choice(bound: Bound) -> FieldChoice:
    """The choice that a test's tags make. Raises ScriptError."""
    if "last" in bound and "index" not in bound:
        raise bound.error('":last" needs ":index"')
    if bound.tag_number("index") == 0:
        raise bound.error('":index" counts from 1')
    if "anychild" in bound and "mime" not in bound:
        raise bound.error('":anychild" needs ":mime"')
    return FieldChoice(bound.tag_number("index"), "last" in bound, "mime" in bound, "anychild" in bound)


def field_names(machine: Machine, names: tuple[Text, ...]) -> list[bytes]:
    """Names of fields as header blocks know them. One that can be no name matches none (RFC 5228 §2.4.2.2)."""
    machine.spend(len(names))
    return [name.value(machine).lower() for name in names]
