"""SEARCH's keys (RFC 3501 §9, search-key), bounded in number and depth."""

from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.search_keys import (
    AndKey,
    BodyKey,
    DateKey,
    FlagKey,
    HeaderKey,
    KeywordKey,
    NotKey,
    OrKey,
    PlainKey,
    SearchKey,
    SentKey,
    SequenceKey,
    SizeKey,
    TextKey,
    UidKey,
    When,
)

KEYS = 1000
DEPTH = 50
CHARSETS = (b"UTF-8", b"US-ASCII")
HEADERS = (b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT")
DATES = {when.name.encode(): when for when in When}


class CharsetUnknown(Exception):
    """NO [BADCHARSET (...)] is the answer (RFC 3501 §6.4.4)."""


def parse_search(cursor: Cursor) -> SearchKey:
    """search = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key); the cursor stands after SEARCH and a space."""
    if cursor.data[cursor.position : cursor.position + 8].upper() == b"CHARSET ":
        cursor.position += 8
        charset = cursor.astring().upper()
        if charset not in CHARSETS:
            raise CharsetUnknown(charset.decode("ascii", "replace"))
        cursor.space()
    return _Keys(cursor).all()


class _Keys:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._count = 0

    def all(self) -> SearchKey:
        keys = [self._key(0)]
        while not self._cursor.at_end():
            self._cursor.space()
            keys.append(self._key(0))
        return keys[0] if len(keys) == 1 else AndKey(tuple(keys))

    def _key(self, depth: int) -> SearchKey:
        self._count += 1
        if self._count > KEYS or depth > DEPTH:
            raise ParseError("the search is too complex", "LIMIT")
        cursor = self._cursor
        if cursor.take(b"("):
            keys = [self._key(depth + 1)]
            while not cursor.take(b")"):
                cursor.space()
                keys.append(self._key(depth + 1))
            return AndKey(tuple(keys))
        if cursor.peek().isdigit() or cursor.peek() == b"*":
            return SequenceKey(cursor.message_set())
        return self._named(cursor.atom().upper(), depth)

    def _named(self, name: bytes, depth: int) -> SearchKey:
        cursor = self._cursor
        word = name.decode("ascii")
        if word in FlagKey.__members__:
            return FlagKey[word]
        if word in PlainKey.__members__:
            return PlainKey[word]
        cursor.space()
        if name == b"NOT":
            return NotKey(self._key(depth + 1))
        if name == b"OR":
            either = self._key(depth + 1)
            cursor.space()
            return OrKey(either, self._key(depth + 1))
        if name in HEADERS:
            return HeaderKey(name, cursor.text())
        if name == b"HEADER":
            field = cursor.astring()
            cursor.space()
            return HeaderKey(field, cursor.text())
        if name == b"BODY":
            return BodyKey(cursor.text())
        if name == b"TEXT":
            return TextKey(cursor.text())
        if name in (b"KEYWORD", b"UNKEYWORD"):
            return KeywordKey(cursor.flag(), name == b"KEYWORD")
        if name in DATES:
            return DateKey(DATES[name], cursor.date())
        if name.startswith(b"SENT") and name[4:] in DATES:
            return SentKey(DATES[name[4:]], cursor.date())
        if name in (b"LARGER", b"SMALLER"):
            return SizeKey(cursor.number(), name == b"LARGER")
        if name == b"UID":
            return UidKey(cursor.message_set())
        raise ParseError("there is no such search key")
