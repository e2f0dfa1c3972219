"""Header blocks (RFC 5322 §2.2): walk their fields, pick some out, unfold a value.

A header block is the octets up to and with the first blank line. Lines may end in CRLF, or in a bare LF where a
message came in by a door that lets it pass. A line that is no field (no colon, a space in its name) is skipped. All
functions here are linear in the block's size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

# field = field-name ":" unstructured CRLF (RFC 5322 §2.2), with white space before the colon allowed (§4.5.8).
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:((?:[^\n]*+\n(?=[ \t]))*+[^\n]*+\n?)")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")


class Selection(Enum):
    """Which fields `select_fields` gives: the named ones, or all others (RFC 9051 §6.4.5.1)."""

    NAMED = "HEADER.FIELDS"
    NOT_NAMED = "HEADER.FIELDS.NOT"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `name` as written; `raw` the whole field with its line ends, `value` what follows the colon."""

    name: bytes
    value: bytes
    raw: bytes


def header_end(message: bytes, start: int = 0, end: int | None = None) -> int | None:
    """Where the body begins: the offset after the blank line that ends the header block; None without one."""
    limit = len(message) if end is None else end
    if message.startswith(b"\r\n", start, limit):
        return start + 2
    if message.startswith(b"\n", start, limit):
        return start + 1
    found = _BLANK_LINE.search(message, start, limit)
    return None if found is None else found.end()


def fields(header: bytes) -> Iterator[Field]:
    """The fields of a header block in order."""
    position = 0
    end = len(header)
    match = _FIELD.match
    while position < end:
        found = match(header, position)
        if found is not None:
            yield Field(found[1], found[2], found[0])
            position = found.end()
            continue
        line_feed = header.find(b"\n", position)
        if line_feed < 0:
            return
        position = line_feed + 1


def first_value(header: bytes, name: bytes) -> bytes | None:
    """The unfolded value of the first field with this name (any case), or None."""
    wanted = name.lower()
    for field in fields(header):
        if field.name.lower() == wanted:
            return unfold(field.value)
    return None


def select_fields(header: bytes, names: Collection[bytes], selection: Selection) -> bytes:
    """The named fields, or all but these, as received and in their order, then a blank line (RFC 9051 §6.4.5.1)."""
    wanted = {name.lower() for name in names}
    named = selection is Selection.NAMED
    kept = [
        field.raw if field.raw.endswith(b"\n") else field.raw + b"\r\n"
        for field in fields(header)
        if (field.name.lower() in wanted) is named
    ]
    kept.append(b"\r\n")
    return b"".join(kept)


def unfold(value: bytes) -> bytes:
    """A field's value on one line: line ends taken out (RFC 5322 §2.2.3), white space around it stripped."""
    stripped = value.strip(b" \t\r\n")
    if b"\n" in stripped:
        return _LINE_END.sub(b"", stripped)
    return stripped
