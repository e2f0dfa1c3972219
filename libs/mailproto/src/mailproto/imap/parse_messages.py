"""Commands about messages: APPEND, SEARCH, FETCH, STORE, COPY, MOVE, UID EXPUNGE (RFC 3501 §6.3.11, §6.4; RFC 4315; RFC 6851)."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.parse_fetch import parse_items
from mailproto.imap.parse_search import parse_search
from mailproto.imap.parse_sort import parse_sort, parse_thread
from mailproto.imap.reader import Sink
from mailproto.imap.search_returns import Partial

UTF8 = re.compile(rb"UTF8 \((?=~\{)", re.IGNORECASE)
# Parts of one message.
CATENATED = 200
CATENATE = re.compile(rb"CATENATE \(", re.IGNORECASE)
# Items of FETCH up to this length are remembered.
LONGEST_KNOWN = 200
STORE = re.compile(rb"([+-]?FLAGS)(\.SILENT)?", re.IGNORECASE)


def _append(cursor: Cursor) -> c.Command:
    """append = "APPEND" SP mailbox 1*append-message (RFC 3502 §6.3.11)"""
    mailbox = cursor.mailbox()
    messages: list[c.NewText] = []
    while not messages or not cursor.at_end():
        cursor.space()
        # IMAPClient 3 writes two between messages.
        cursor.take(b" ")
        messages.append(_new_text(cursor))
    return c.Append(mailbox, tuple(messages))


def _replace(cursor: Cursor, by: c.By) -> c.Command:
    """replace = "REPLACE" SP seq-number SP mailbox append-message (RFC 8508 §5)"""
    number = cursor.message_set()
    if len(number.ranges) != 1 or number.ranges[0][0] != number.ranges[0][1]:
        raise ParseError("one message number expected")
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    return c.Replace(number, mailbox, _new_text(cursor), by)


def _new_text(cursor: Cursor) -> c.NewText:
    """append-message = [flag-list SP] [date-time SP] (literal / literal8 / "CATENATE" SP "(" cat-part *(SP cat-part) ")")"""
    flags: tuple[str, ...] = ()
    if cursor.peek() == b"(":
        flags = cursor.flags()
        cursor.space()
    internal_date = None
    if cursor.peek() == b'"':
        internal_date = cursor.date_time()
        cursor.space()
    if cursor.match(UTF8) is not None:
        return c.NewText(flags, internal_date, _utf8_literal(cursor), True)
    if cursor.match(CATENATE) is not None:
        return c.NewText(flags, internal_date, _catenated(cursor))
    is_binary = cursor.take(b"~")
    if cursor.peek() != b"{":
        raise ParseError("a literal expected")
    return c.NewText(flags, internal_date, cursor.long_string(), is_binary)


def _utf8_literal(cursor: Cursor) -> bytes | Sink:
    """utf8-literal = "UTF8" SP "(" literal8 ")" (RFC 6855 §4), the parenthesis taken"""
    cursor.expect(b"~")
    content = cursor.long_string()
    cursor.expect(b")")
    return content


def _catenated(cursor: Cursor) -> c.Catenated:
    """cat-part = "TEXT" SP literal / "URL" SP astring / utf8-literal (RFC 4469 §5, RFC 6855 §4), the parenthesis taken"""
    parts: list[bytes | Sink | c.Url] = []
    while True:
        if cursor.match(UTF8) is not None:
            parts.append(_utf8_literal(cursor))
            if _is_last(cursor, parts):
                return c.Catenated(tuple(parts))
            continue
        word = cursor.word()
        cursor.space()
        if word == "TEXT" and cursor.peek() == b"{":
            parts.append(cursor.long_string())
        elif word == "URL":
            parts.append(c.Url(cursor.text()))
        else:
            raise ParseError("TEXT and a literal, or URL expected")
        if _is_last(cursor, parts):
            return c.Catenated(tuple(parts))


def _is_last(cursor: Cursor, parts: Sequence[object]) -> bool:
    """Whether the list of parts ends here; else the next one stands here."""
    if len(parts) > CATENATED:
        raise ParseError(f"at most {CATENATED} parts", "LIMIT")
    if cursor.take(b")"):
        return True
    cursor.space()
    return False


def _search(cursor: Cursor, by: c.By) -> c.Command:
    returns, key = parse_search(cursor)
    return c.Search(key, by, returns)


@lru_cache(maxsize=256)
def known_items(octets: bytes) -> tuple[FetchItem, ...] | None:
    """None where more than items stands there."""
    cursor = Cursor(octets)
    items = parse_items(cursor)
    return items if cursor.at_end() else None


def _fetch(cursor: Cursor, by: c.By) -> c.Command:
    numbers = cursor.message_set()
    cursor.space()
    # A client asks for the same items again and again; what is at the end of the command stands for itself.
    rest = bytes(cursor.data[cursor.position : cursor.position + LONGEST_KNOWN + 1])
    known = known_items(rest) if len(rest) <= LONGEST_KNOWN and b"{" not in rest else None
    if known is not None:
        cursor.position = len(cursor.data)
        return c.Fetch(numbers, known, by)
    items = parse_items(cursor)
    partial: Partial | None = None
    changed_since: int | None = None
    vanished = False
    if cursor.take(b" ("):
        while True:
            word = cursor.word()
            if word == "PARTIAL" and by is c.By.UID and partial is None:
                cursor.space()
                partial = cursor.partial_range()
            elif word == "CHANGEDSINCE" and changed_since is None:
                cursor.space()
                changed_since = cursor.modseq()
            elif word == "VANISHED" and by is c.By.UID:
                vanished = True
            else:
                raise ParseError("there is no such modifier of FETCH")
            if cursor.take(b")"):
                break
            cursor.space()
    if vanished and changed_since is None:
        raise ParseError("VANISHED needs CHANGEDSINCE")
    return c.Fetch(numbers, items, by, partial, changed_since, vanished)


def _store(cursor: Cursor, by: c.By) -> c.Command:
    """store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags (RFC 4466 §2.5)"""
    numbers = cursor.message_set()
    cursor.space()
    unchanged_since: int | None = None
    if cursor.take(b"("):
        if cursor.word() != "UNCHANGEDSINCE":
            raise ParseError("there is no such modifier of STORE")
        cursor.space()
        unchanged_since = cursor.modseq()
        cursor.expect(b")")
        cursor.space()
    found = cursor.match(STORE)
    if found is None:
        raise ParseError("FLAGS, +FLAGS or -FLAGS expected")
    action = c.StoreAction(found[1].upper().decode("ascii"))
    echo = c.Echo.SILENT if found[2] else c.Echo.TELL
    cursor.space()
    if cursor.peek() == b"(":
        flags = cursor.flags()
    else:
        flags = (cursor.flag(),)
        while cursor.take(b" "):
            flags += (cursor.flag(),)
    return c.Store(numbers, action, echo, flags, by, unchanged_since)


def _copy(cursor: Cursor, by: c.By) -> c.Command:
    numbers = cursor.message_set()
    cursor.space()
    return c.Copy(numbers, cursor.mailbox(), by)


def _move(cursor: Cursor, by: c.By) -> c.Command:
    numbers = cursor.message_set()
    cursor.space()
    return c.Move(numbers, cursor.mailbox(), by)


def _both(
    parser: Callable[[Cursor, c.By], c.Command], name: bytes
) -> dict[bytes, Callable[[Cursor], c.Command]]:
    """The command by sequence numbers and by UIDs."""
    return {
        name: lambda cursor: parser(cursor, c.By.SEQUENCE),
        b"UID " + name: lambda cursor: parser(cursor, c.By.UID),
    }


def _cancel_update(cursor: Cursor) -> c.Command:
    """ "CANCELUPDATE" 1*(SP quoted)"""
    tags = [cursor.text()]
    while cursor.take(b" "):
        tags.append(cursor.text())
    return c.CancelUpdate(tuple(tags))


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"APPEND": _append,
    b"CANCELUPDATE": _cancel_update,
    **_both(_search, b"SEARCH"),
    **_both(parse_sort, b"SORT"),
    **_both(parse_thread, b"THREAD"),
    **_both(_fetch, b"FETCH"),
    **_both(_store, b"STORE"),
    **_both(_replace, b"REPLACE"),
    **_both(_copy, b"COPY"),
    **_both(_move, b"MOVE"),
    b"UID EXPUNGE": lambda cursor: c.UidExpunge(cursor.message_set()),
}
