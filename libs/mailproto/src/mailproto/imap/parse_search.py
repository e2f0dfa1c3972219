"""SEARCH's keys (RFC 3501 §9, search-key), bounded in number and depth, and what it is to return (RFC 4731)."""

import re

from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.message_set import MessageSet
from mailproto.imap.names import Dialect
from mailproto.imap.parse_fetch import parse_item_list
from mailproto.imap.search_keys import (
    AndKey,
    BodyKey,
    DateKey,
    FilterKey,
    FlagKey,
    HeaderKey,
    KeywordKey,
    ModseqKey,
    NotKey,
    ObjectKey,
    ObjectKind,
    OrKey,
    PlainKey,
    SavedKey,
    SearchKey,
    SentKey,
    SequenceKey,
    SizeKey,
    TextKey,
    UidKey,
    When,
    WithinKey,
    asks_filter,
)
from mailproto.imap.search_returns import Partial, SearchReturn, SearchReturns

# Some centuries: dates begin with the year 1.
LONGEST_SECONDS = 10**10
KEYS = 1000
LARGEST_UID = 0xFFFFFFFF
# RFC 6203 §4, §6
NO_FUZZY = "RELEVANCY needs a FUZZY key"
DEPTH = 50
RETURN = re.compile(rb"RETURN \(", re.IGNORECASE)
CHARSET = re.compile(rb"CHARSET ", re.IGNORECASE)
CHARSETS = (b"UTF-8", b"US-ASCII")
HEADERS = (b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT")
DATES = {when.name.encode(): when for when in When}


class CharsetUnknown(Exception):
    """NO [BADCHARSET (...)] is the answer (RFC 3501 §6.4.4). `saves`: and the saved result is empty (RFC 5182 §2.1);
    `is_bad`: it is BAD, for there is a filter in the search (RFC 5466 §3.1).
    """

    def __init__(self, charset: str, *, saves: bool = False, is_bad: bool = False) -> None:
        super().__init__(charset)
        self.saves = saves and not is_bad
        self.is_bad = is_bad


def parse_search(cursor: Cursor) -> tuple[SearchReturns | None, SearchKey]:
    """search = "SEARCH" [search-return-opts] SP search-program; the cursor stands after SEARCH and a space."""
    returns = parse_returns(cursor)
    try:
        return returns, parse_program(cursor, needs_fuzzy=asks_relevancy(returns))
    except CharsetUnknown as error:
        saves = returns is not None and SearchReturn.SAVE in returns.options
        raise CharsetUnknown(str(error), saves=saves, is_bad=error.is_bad) from None


def asks_relevancy(returns: SearchReturns | None) -> bool:
    """Whether scores are to be told."""
    return returns is not None and SearchReturn.RELEVANCY in returns.options


def parse_program(cursor: Cursor, *, needs_fuzzy: bool = False) -> SearchKey:
    """search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)"""
    if cursor.match(CHARSET) is not None:
        if cursor.dialect is Dialect.UTF8:
            raise ParseError("UTF-8 is enabled: no CHARSET")
        _charset(cursor)
    keys = _Keys(cursor)
    key = keys.all()
    if needs_fuzzy and not keys.has_fuzzy:
        raise ParseError(NO_FUZZY)
    return key


def parse_charset_and_keys(cursor: Cursor, *, needs_fuzzy: bool = False) -> SearchKey:
    """search-criteria = charset 1*(SP search-key), as SORT and THREAD have it (RFC 5256 §5)"""
    _charset(cursor)
    keys = _Keys(cursor)
    key = keys.all()
    if needs_fuzzy and not keys.has_fuzzy:
        raise ParseError(NO_FUZZY)
    return key


def _charset(cursor: Cursor) -> None:
    """charset SP"""
    name = cursor.astring()
    cursor.space()
    if name.upper() not in CHARSETS:
        raise CharsetUnknown(name.decode("ascii", "replace"), is_bad=_names_filter(cursor))


def _names_filter(cursor: Cursor) -> bool:
    """Whether the keys that follow are understood in spite of their charset, and name a filter."""
    try:
        return asks_filter(_Keys(cursor).all())
    except ParseError:
        return False


def parse_returns(cursor: Cursor) -> SearchReturns | None:
    """[search-return-opts SP] = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" SP"""
    if cursor.match(RETURN) is None:
        return None
    options: set[SearchReturn] = set()
    partial: Partial | None = None
    updates = False
    items: tuple[FetchItem, ...] = ()
    first = True
    while not cursor.take(b")"):
        if not first:
            cursor.space()
        first = False
        word = cursor.word()
        if word == "PARTIAL" and partial is None:
            cursor.space()
            partial = cursor.partial_range()
        elif word == "UPDATE":
            # modifier-update = "UPDATE" [SP "(" fetch-att *(SP fetch-att) ")"] (RFC 5465 §8)
            updates = True
            if cursor.take(b" ("):
                items = parse_item_list(cursor)
        elif word == "CONTEXT":
            pass
        elif word in SearchReturn.__members__:
            options.add(SearchReturn[word])
        else:
            raise ParseError("there is no such result option")
    if partial is not None and SearchReturn.ALL in options:
        raise ParseError("PARTIAL and ALL exclude each other")
    cursor.space()
    return SearchReturns(frozenset(options), partial, updates, items)


class _Keys:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._count = 0
        # How many FUZZYs the key that is read stands in; and whether there was any.
        self._fuzzy = 0
        self.has_fuzzy = False

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
        if cursor.peek().isdigit() or cursor.peek() in (b"*", b"$"):
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
        if name == b"FUZZY":
            # RFC 6203: what is no text is matched as it always is.
            self.has_fuzzy = True
            self._fuzzy += 1
            inner = self._key(depth + 1)
            self._fuzzy -= 1
            return inner
        if name == b"NOT":
            return NotKey(self._key(depth + 1))
        if name == b"OR":
            either = self._key(depth + 1)
            cursor.space()
            return OrKey(either, self._key(depth + 1))
        if name in HEADERS:
            return HeaderKey(name, cursor.text(), self._fuzzy > 0)
        if name == b"HEADER":
            field = cursor.astring()
            cursor.space()
            return HeaderKey(field, cursor.text(), self._fuzzy > 0)
        if name == b"BODY":
            return BodyKey(cursor.text(), self._fuzzy > 0)
        if name == b"TEXT":
            return TextKey(cursor.text(), self._fuzzy > 0)
        if name in (b"KEYWORD", b"UNKEYWORD"):
            return KeywordKey(cursor.flag(), name == b"KEYWORD")
        if name in DATES:
            return DateKey(DATES[name], cursor.date())
        if name.startswith(b"SENT") and name[4:] in DATES:
            return SentKey(DATES[name[4:]], cursor.date())
        if name.startswith(b"SAVED") and name[5:] in DATES:
            return SavedKey(DATES[name[5:]], cursor.date())
        if name in (b"EMAILID", b"THREADID"):
            return ObjectKey(ObjectKind(word), cursor.atom().decode("ascii"))
        if name in (b"LARGER", b"SMALLER"):
            return SizeKey(cursor.number(), name == b"LARGER")
        if name in (b"OLDER", b"YOUNGER"):
            return WithinKey(min(cursor.number(), LONGEST_SECONDS), name == b"YOUNGER")
        if name == b"MODSEQ":
            if cursor.peek() == b'"':
                # entry-name and entry-type-req, which we have to ignore
                cursor.string()
                cursor.space()
                if cursor.word() not in ("PRIV", "SHARED", "ALL"):
                    raise ParseError("priv, shared or all expected")
                cursor.space()
            return ModseqKey(cursor.modseq())
        if name == b"FILTER":
            # filter-name = 1*<any ATOM-CHAR except "/">
            filter_name = cursor.atom().decode("ascii")
            if "/" in filter_name:
                raise ParseError("a filter's name has no slash")
            return FilterKey(filter_name)
        if name in (b"UIDAFTER", b"UIDBEFORE"):
            return _beyond(cursor.number(), name == b"UIDAFTER")
        if name == b"UID":
            return UidKey(cursor.message_set())
        raise ParseError("there is no such search key")


def _beyond(uid: int, after: bool) -> SearchKey:
    """UIDAFTER and UIDBEFORE (RFC 9738 §3.2): higher UIDs than this one, or lower ones; perhaps there are none."""
    if uid < 1 or uid > LARGEST_UID:
        raise ParseError("a UID expected")
    low, high = (uid + 1, LARGEST_UID) if after else (1, uid - 1)
    return UidKey(MessageSet(((low, high),))) if low <= high else NotKey(PlainKey.ALL)
