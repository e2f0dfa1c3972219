"""FETCH's items (RFC 3501 §9, fetch-att)."""

import re

from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.fetch_items import MACROS, RFC822, Attribute, FetchItem, Section, Seen, Text

NAME = re.compile(rb"[A-Za-z0-9.]+")
PART = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
PARTIAL = re.compile(rb"<([0-9]{1,19})\.([1-9][0-9]{0,18})>")
ITEMS = 200
PART_DEPTH = 100
ATTRIBUTES = {attribute.value.encode(): attribute for attribute in Attribute}


def parse_items(cursor: Cursor) -> tuple[FetchItem, ...]:
    """ "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")" """
    if not cursor.take(b"("):
        start = cursor.position
        found = cursor.match(NAME)
        if found is not None and found[0].upper() in MACROS:
            return MACROS[found[0].upper()]
        cursor.position = start
        return (_item(cursor),)
    items = [_item(cursor)]
    while not cursor.take(b")"):
        cursor.space()
        items.append(_item(cursor))
        if len(items) > ITEMS:
            raise ParseError(f"at most {ITEMS} items can be fetched at once", "LIMIT")
    return tuple(items)


def _item(cursor: Cursor) -> FetchItem:
    found = cursor.match(NAME)
    if found is None:
        raise ParseError("an item to fetch expected")
    name = found[0].upper()
    if name in (b"BODY", b"BODY.PEEK") and cursor.take(b"["):
        return _section(cursor, Seen.MARK if name == b"BODY" else Seen.PEEK)
    if name in ATTRIBUTES:
        return ATTRIBUTES[name]
    if name in RFC822:
        return RFC822[name]
    raise ParseError("that cannot be fetched")


def _section(cursor: Cursor, seen: Seen) -> Section:
    """section = "[" [section-spec] "]" ["<" number "." nz-number ">"]"""
    part: tuple[int, ...] = ()
    label = b""
    found = cursor.match(PART)
    if found is not None:
        label = found[0]
        part = tuple(int(number) for number in label.split(b"."))
        if len(part) > PART_DEPTH:
            raise ParseError("a part number is too deep", "LIMIT")
    text = Text.ALL
    fields: tuple[bytes, ...] = ()
    if found is None or cursor.take(b"."):
        word = cursor.match(TEXT)
        if word is not None:
            text = Text(word[0].upper().decode())
            label += (b"." if part else b"") + word[0].upper()
        elif found is not None:
            raise ParseError("HEADER, TEXT or MIME expected")
    if text is Text.MIME and not part:
        raise ParseError("MIME needs a part number")
    if text in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
        cursor.space()
        cursor.expect(b"(")
        names = [cursor.astring()]
        while not cursor.take(b")"):
            cursor.space()
            names.append(cursor.astring())
            if len(names) > ITEMS:
                raise ParseError("too many header fields", "LIMIT")
        fields = tuple(names)
        label += b" (" + b" ".join(_shown(name) for name in names) + b")"
    cursor.expect(b"]")
    partial = cursor.match(PARTIAL)
    return Section(
        part,
        text,
        fields,
        (int(partial[1]), int(partial[2])) if partial is not None else None,
        seen,
        b"BODY[" + label + b"]",
    )


def _shown(name: bytes) -> bytes:
    """A field name as the answer repeats it."""
    if re.fullmatch(rb"[\x21-\x7e]+", name) and not re.search(rb"[(){%*\"\\\]]", name):
        return name
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name.replace(b"\r", b"").replace(b"\n", b"")) + b'"'
