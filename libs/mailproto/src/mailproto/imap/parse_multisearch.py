"""ESEARCH: a search of several mailboxes (RFC 7377 §4)."""

import re
from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.notify_events import NAMED, Source, Watched
from mailproto.imap.parse_notify import NAMES, WATCHED, parse_names
from mailproto.imap.parse_search import parse_search
from mailproto.imap.search_returns import SearchReturn

IN = re.compile(rb"IN \(", re.IGNORECASE)
SELECTED = (Source(Watched.SELECTED, ()),)


def _esearch(cursor: Cursor) -> c.Command:
    """esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program"""
    sources: tuple[Source, ...] = SELECTED
    if cursor.match(IN) is not None:
        sources = _sources(cursor)
        cursor.space()
    returns, key = parse_search(cursor)
    if returns is not None and SearchReturn.SAVE in returns.options and sources != SELECTED:
        raise ParseError("only the result of the selected mailbox can be saved")
    return c.MultiSearch(sources, key, returns)


def _sources(cursor: Cursor) -> tuple[Source, ...]:
    """source-mbox = filter-mailboxes *(SP filter-mailboxes)"""
    sources = []
    while True:
        watched = WATCHED.get(cursor.word())
        if watched is None or watched is Watched.SELECTED_DELAYED:
            raise ParseError("there are no such mailboxes to search")
        names: tuple[str, ...] = ()
        if watched in NAMED:
            cursor.space()
            names = parse_names(cursor)
        sources.append(Source(watched, names))
        if len(sources) > NAMES:
            raise ParseError("too many mailboxes", "LIMIT")
        if cursor.take(b")"):
            return tuple(sources)
        cursor.space()


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {b"ESEARCH": _esearch}
