"""GETMETADATA and SETMETADATA (RFC 5464 §5)."""

import re
from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError

ENTRIES = 100
NAME_OCTETS = 200
# entry = astring; components without "*", "%" and control characters, at least two of them
NAME = re.compile(rb"/(?:private|shared)(?:/[\x20-\x24\x26-\x29\x2b-\x2e\x30-\x7e]+)+")
# getmetadata-options; that the RFC's own examples have them after the mailbox is let pass.
OPTIONS = re.compile(rb"\((?=MAXSIZE|DEPTH)", re.IGNORECASE)
DEPTHS = {depth.value.upper(): depth for depth in c.Depth}


def _entry(cursor: Cursor) -> str:
    name = cursor.astring().lower()
    if NAME.fullmatch(name) is None or len(name) > NAME_OCTETS:
        raise ParseError("an entry is named like /private/comment")
    return name.decode("ascii")


def _options(cursor: Cursor) -> tuple[c.Depth, int | None]:
    """ "(" getmetadata-option *(SP getmetadata-option) ")", the parenthesis taken"""
    depth, largest = c.Depth.ENTRY, None
    while True:
        word = cursor.word()
        cursor.space()
        if word == "MAXSIZE":
            largest = cursor.number()
        elif word == "DEPTH":
            given = DEPTHS.get(cursor.word())
            if given is None:
                raise ParseError("0, 1 or infinity expected")
            depth = given
        else:
            raise ParseError("there is no such option")
        if cursor.take(b")"):
            return depth, largest
        cursor.space()


def _get(cursor: Cursor) -> c.Command:
    """getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries"""
    depth, largest = c.Depth.ENTRY, None
    if cursor.match(OPTIONS) is not None:
        depth, largest = _options(cursor)
        cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    if cursor.match(OPTIONS) is not None:
        depth, largest = _options(cursor)
        cursor.space()
    return c.GetMetadata(mailbox, parse_entries(cursor), depth, largest)


def parse_entries(cursor: Cursor) -> tuple[str, ...]:
    """entries = entry / "(" entry *(SP entry) ")" """
    if not cursor.take(b"("):
        return (_entry(cursor),)
    entries = [_entry(cursor)]
    while not cursor.take(b")"):
        cursor.space()
        entries.append(_entry(cursor))
        if len(entries) > ENTRIES:
            raise ParseError(f"at most {ENTRIES} entries", "LIMIT")
    return tuple(dict.fromkeys(entries))


def _set(cursor: Cursor) -> c.Command:
    """setmetadata = "SETMETADATA" SP mailbox SP entry-values"""
    mailbox = cursor.mailbox()
    cursor.space()
    cursor.expect(b"(")
    values: dict[str, bytes | None] = {}
    while True:
        entry = _entry(cursor)
        cursor.space()
        if cursor.take_nil():
            values[entry] = None
        else:
            # value = nstring / literal8
            cursor.take(b"~")
            values[entry] = cursor.string()
        if len(values) > ENTRIES:
            raise ParseError(f"at most {ENTRIES} entries", "LIMIT")
        if cursor.take(b")"):
            return c.SetMetadata(mailbox, tuple(values.items()))
        cursor.space()


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"GETMETADATA": _get,
    b"SETMETADATA": _set,
}
