"""FETCH's items (RFC 3501 §9, fetch-att)."""

import re

from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.fetch_items import (
    MACROS,
    RFC822,
    Attribute,
    Binary,
    BinarySize,
    FetchItem,
    Section,
    Seen,
    Text,
)

NAME = re.compile(rb"[A-Za-z0-9.]+")
PART = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
PARTIAL = re.compile(rb"<([0-9]{1,19})\.([1-9][0-9]{0,18})>")
BINARY = (b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE")
# preview-mod = "LAZY" (RFC 8970 §6)
LAZY = re.compile(rb" \(LAZY(?: LAZY)*\)", re.IGNORECASE)
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
    return parse_item_list(cursor)


def parse_item_list(cursor: Cursor) -> tuple[FetchItem, ...]:
    """fetch-att *(SP fetch-att) ")", the parenthesis taken"""
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
        return parse_section(cursor, Seen.MARK if name == b"BODY" else Seen.PEEK)
    if name in BINARY and cursor.take(b"["):
        return _binary(cursor, name)
    if name == b"PREVIEW" and cursor.match(LAZY) is not None:
        return Attribute.LAZY_PREVIEW
    if name in ATTRIBUTES:
        return ATTRIBUTES[name]
    if name in RFC822:
        return RFC822[name]
    raise ParseError("that cannot be fetched")


def _binary(cursor: Cursor, name: bytes) -> FetchItem:
    """section-binary = "[" [section-part] "]" (RFC 3516 §7)"""
    part, label = _part(cursor)
    cursor.expect(b"]")
    if name == b"BINARY.SIZE":
        return BinarySize(part, b"BINARY.SIZE[" + label + b"]")
    seen = Seen.MARK if name == b"BINARY" else Seen.PEEK
    return Binary(part, _partial(cursor), seen, b"BINARY[" + label + b"]")


def _part(cursor: Cursor) -> tuple[tuple[int, ...], bytes]:
    """[section-part] = nz-number *("." nz-number); also as it was written"""
    found = cursor.match(PART)
    if found is None:
        return (), b""
    part = tuple(int(number) for number in found[0].split(b"."))
    if len(part) > PART_DEPTH:
        raise ParseError("a part number is too deep", "LIMIT")
    return part, found[0]


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    """["<" number "." nz-number ">"]"""
    found = cursor.match(PARTIAL)
    return (int(found[1]), int(found[2])) if found is not None else None


def parse_section(cursor: Cursor, seen: Seen) -> Section:
    """section = "[" [section-spec] "]" ["<" number "." nz-number ">"]"""
    part, label = _part(cursor)
    text = Text.ALL
    fields: tuple[bytes, ...] = ()
    if not part or cursor.take(b"."):
        word = cursor.match(TEXT)
        if word is not None:
            text = Text(word[0].upper().decode())
            label += (b"." if part else b"") + word[0].upper()
        elif part:
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
    return Section(part, text, fields, _partial(cursor), seen, b"BODY[" + label + b"]")


def _shown(name: bytes) -> bytes:
    """A field name as the answer repeats it."""
    if re.fullmatch(rb"[\x21-\x7e]+", name) and not re.search(rb"[(){%*\"\\\]]", name):
        return name
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name.replace(b"\r", b"").replace(b"\n", b"")) + b'"'
