"""Reading back the ENVELOPE that is kept for FETCH (RFC 3501 §7.4.2): what SORT, THREAD and SEARCH compare."""

import re
from dataclasses import dataclass
from datetime import date

from mailmsg.date import parse_day
from mailmsg.words import decode_words

TOKEN = re.compile(rb'\(|\)|NIL|"((?:[^"\\]|\\.)*+)"|\{([0-9]+)\}\r\n', re.DOTALL)
QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)

# A string, NIL, or a list of these.
Value = bytes | None | list["Value"]


@dataclass(frozen=True, slots=True)
class Address:
    """One address; `name` as written, the others "" where they are not there."""

    name: bytes
    local_part: str
    host: str

    @property
    def display(self) -> str:
        """RFC 5957 §3."""
        name = decode_words(self.name) if self.name else ""
        return name or (f"{self.local_part}@{self.host}" if self.host else self.local_part)


NOBODY = Address(b"", "", "")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The first address of each list."""

    subject: str
    from_: Address
    to: Address
    cc: Address


def read_envelope(wire: bytes) -> Envelope:
    """Of the octets that mailmsg made. Raises ValueError for others."""
    values = _read(wire)
    if len(values) != 10:
        raise ValueError("an envelope has ten members")
    subject = values[1]
    return Envelope(
        decode_words(subject) if isinstance(subject, bytes) else "",
        _first(values[2]),
        _first(values[5]),
        _first(values[6]),
    )


def sent_day(wire: bytes) -> date | None:
    """The day of the Date field as it is written. Raises ValueError for octets that are not mailmsg's."""
    found = TOKEN.match(wire, 1) if wire.startswith(b"(") else None
    if found is None:
        raise ValueError("that is no envelope")
    if found[1] is not None:
        return parse_day(QUOTED_PAIR.sub(rb"\1", found[1]))
    if found[2] is not None:
        return parse_day(wire[found.end() : found.end() + int(found[2])])
    return None


def _first(addresses: Value) -> Address:
    if not isinstance(addresses, list) or not addresses or not isinstance(addresses[0], list):
        return NOBODY
    parts = [part if isinstance(part, bytes) else b"" for part in addresses[0]]
    if len(parts) != 4:
        return NOBODY
    return Address(parts[0], parts[2].decode("utf-8", "replace"), parts[3].decode("utf-8", "replace"))


def _read(wire: bytes) -> list[Value]:
    """One list, lists in it included."""
    open_lists: list[list[Value]] = [[]]
    position = 0
    while position < len(wire):
        if wire[position] == 32:
            position += 1
            continue
        found = TOKEN.match(wire, position)
        if found is None:
            raise ValueError("that is no envelope")
        position = found.end()
        token = found[0]
        if token == b"(":
            inner: list[Value] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif token == b")":
            if len(open_lists) == 1:
                raise ValueError("a list ends that did not begin")
            open_lists.pop()
        elif found[1] is not None:
            text = found[1]
            open_lists[-1].append(QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text)
        elif found[2] is not None:
            octets = int(found[2])
            open_lists[-1].append(wire[position : position + octets])
            position += octets
        else:
            open_lists[-1].append(None)
    whole = open_lists[0]
    if len(open_lists) != 1 or len(whole) != 1 or not isinstance(whole[0], list):
        raise ValueError("that is no envelope")
    return whole[0]
