"""From a whole command to its dataclass (RFC 3501 §6, §9)."""

import re
from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.parse_fetch import parse_items
from mailproto.imap.parse_search import parse_search

# tag = 1*<any ASTRING-CHAR except "+">
TAG = re.compile(rb"[\x21\x23-\x24\x26-\x27\x2c-\x5b\x5d-\x7a\x7c\x7e]{1,64}")
VERB = re.compile(rb"[A-Za-z]+")
STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE")
SPECIAL_USES = ("\\archive", "\\drafts", "\\flagged", "\\junk", "\\sent", "\\trash", "\\all", "\\important")
ID_FIELDS = 30


class CommandInvalid(Exception):
    """BAD is the answer. `tag` is "*" where there is none; `code` is a response code or "" (RFC 5530)."""

    def __init__(self, tag: str, text: str, code: str = "") -> None:
        super().__init__(text)
        self.tag = tag
        self.code = code


def parse(whole: bytes) -> c.Tagged:
    """Raises CommandInvalid; CharsetUnknown from a search."""
    cursor = Cursor(whole)
    found = cursor.match(TAG)
    if found is None:
        raise CommandInvalid("*", "A command begins with a tag")
    tag = found[0].decode("ascii")
    try:
        cursor.space()
        return c.Tagged(tag, _command(cursor))
    except ParseError as error:
        text = str(error)
        raise CommandInvalid(tag, text[:1].upper() + text[1:], error.code) from error


def _command(cursor: Cursor) -> c.Command:
    verb = cursor.match(VERB)
    if verb is None:
        raise ParseError("a command expected")
    name = verb[0].upper()
    if name == b"UID":
        cursor.space()
        inner = cursor.match(VERB)
        name = b"UID " + (inner[0].upper() if inner is not None else b"")
    word = name.decode("ascii")
    if word in c.Plain.__members__:
        cursor.end()
        return c.Plain[word]
    parser = PARSERS.get(name)
    if parser is None:
        raise ParseError("there is no such command")
    cursor.space()
    command = parser(cursor)
    cursor.end()
    return command


def _login(cursor: Cursor) -> c.Command:
    login = cursor.text()
    cursor.space()
    return c.Login(login, cursor.text())


def _authenticate(cursor: Cursor) -> c.Command:
    mechanism = cursor.atom().upper()
    # SASL-IR (RFC 4959): "=" is an initial response that is empty.
    if cursor.at_end():
        return c.Authenticate(mechanism, None)
    cursor.space()
    initial = cursor.data[cursor.position :]
    cursor.position = len(cursor.data)
    return c.Authenticate(mechanism, initial)


def _create(cursor: Cursor) -> c.Command:
    mailbox = cursor.mailbox()
    uses: frozenset[str] = frozenset()
    if cursor.take(b" (USE "):
        names = cursor.flags()
        cursor.expect(b")")
        if any(name.lower() not in SPECIAL_USES for name in names):
            raise ParseError("there is no such special use")
        uses = frozenset(name[:2].upper() + name[2:].lower() for name in names)
    return c.Create(mailbox, uses)


def _rename(cursor: Cursor) -> c.Command:
    old = cursor.mailbox()
    cursor.space()
    return c.Rename(old, cursor.mailbox())


def _list(cursor: Cursor) -> c.Command:
    reference = cursor.mailbox()
    cursor.space()
    return c.List(reference, cursor.list_mailbox())


def _lsub(cursor: Cursor) -> c.Command:
    reference = cursor.mailbox()
    cursor.space()
    return c.Lsub(reference, cursor.list_mailbox())


def _status(cursor: Cursor) -> c.Command:
    mailbox = cursor.mailbox()
    cursor.space()
    cursor.expect(b"(")
    items = []
    while True:
        item = cursor.atom().upper().decode("ascii")
        if item not in STATUS_ITEMS:
            raise ParseError("there is no such status item")
        items.append(item)
        if cursor.take(b")"):
            return c.Status(mailbox, tuple(dict.fromkeys(items)))
        cursor.space()


def _append(cursor: Cursor) -> c.Command:
    mailbox = cursor.mailbox()
    cursor.space()
    flags: tuple[str, ...] = ()
    if cursor.peek() == b"(":
        flags = cursor.flags()
        cursor.space()
    internal_date = None
    if cursor.peek() == b'"':
        internal_date = cursor.date_time()
        cursor.space()
    if cursor.peek() != b"{":
        raise ParseError("a literal expected")
    return c.Append(mailbox, flags, internal_date, cursor.string())


def _search(by: c.By) -> Callable[[Cursor], c.Command]:
    return lambda cursor: c.Search(parse_search(cursor), by)


def _fetch(by: c.By) -> Callable[[Cursor], c.Command]:
    def parse_fetch(cursor: Cursor) -> c.Command:
        numbers = cursor.message_set()
        cursor.space()
        return c.Fetch(numbers, parse_items(cursor), by)

    return parse_fetch


def _store(by: c.By) -> Callable[[Cursor], c.Command]:
    def parse_store(cursor: Cursor) -> c.Command:
        numbers = cursor.message_set()
        cursor.space()
        found = cursor.match(STORE)
        if found is None:
            raise ParseError("FLAGS, +FLAGS or -FLAGS expected")
        action = c.StoreAction(found[1].upper().decode("ascii"))
        echo = c.Echo.SILENT if found[2] else c.Echo.TELL
        cursor.space()
        if cursor.peek() == b"(":
            return c.Store(numbers, action, echo, cursor.flags(), by)
        flags = [cursor.flag()]
        while cursor.take(b" "):
            flags.append(cursor.flag())
        return c.Store(numbers, action, echo, tuple(flags), by)

    return parse_store


STORE = re.compile(rb"([+-]?FLAGS)(\.SILENT)?", re.IGNORECASE)


def _copy(by: c.By) -> Callable[[Cursor], c.Command]:
    def parse_copy(cursor: Cursor) -> c.Command:
        numbers = cursor.message_set()
        cursor.space()
        return c.Copy(numbers, cursor.mailbox(), by)

    return parse_copy


def _move(by: c.By) -> Callable[[Cursor], c.Command]:
    def parse_move(cursor: Cursor) -> c.Command:
        numbers = cursor.message_set()
        cursor.space()
        return c.Move(numbers, cursor.mailbox(), by)

    return parse_move


def _id(cursor: Cursor) -> c.Command:
    """id_params_list = "(" #(string SP nstring) ")" / nil (RFC 2971 §3.1)"""
    if cursor.data[cursor.position :].upper() == b"NIL":
        cursor.position = len(cursor.data)
        return c.Id(())
    cursor.expect(b"(")
    fields: list[tuple[str, str]] = []
    while not cursor.take(b")"):
        if fields:
            cursor.space()
        key = cursor.string().decode("utf-8", "replace")
        cursor.space()
        if cursor.data[cursor.position : cursor.position + 3].upper() == b"NIL":
            cursor.position += 3
            value = ""
        else:
            value = cursor.string().decode("utf-8", "replace")
        fields.append((key[:30], value[:1024]))
        if len(fields) > ID_FIELDS:
            raise ParseError("too many fields")
    return c.Id(tuple(fields))


def _enable(cursor: Cursor) -> c.Command:
    names = [cursor.atom().upper().decode("ascii")]
    while cursor.take(b" "):
        names.append(cursor.atom().upper().decode("ascii"))
    return c.Enable(tuple(names))


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"LOGIN": _login,
    b"AUTHENTICATE": _authenticate,
    b"SELECT": lambda cursor: c.Select(cursor.mailbox(), c.Access.READ_WRITE),
    b"EXAMINE": lambda cursor: c.Select(cursor.mailbox(), c.Access.READ_ONLY),
    b"CREATE": _create,
    b"DELETE": lambda cursor: c.Delete(cursor.mailbox()),
    b"RENAME": _rename,
    b"SUBSCRIBE": lambda cursor: c.Subscribe(cursor.mailbox()),
    b"UNSUBSCRIBE": lambda cursor: c.Unsubscribe(cursor.mailbox()),
    b"LIST": _list,
    b"LSUB": _lsub,
    b"STATUS": _status,
    b"APPEND": _append,
    b"SEARCH": _search(c.By.SEQUENCE),
    b"UID SEARCH": _search(c.By.UID),
    b"FETCH": _fetch(c.By.SEQUENCE),
    b"UID FETCH": _fetch(c.By.UID),
    b"STORE": _store(c.By.SEQUENCE),
    b"UID STORE": _store(c.By.UID),
    b"COPY": _copy(c.By.SEQUENCE),
    b"UID COPY": _copy(c.By.UID),
    b"MOVE": _move(c.By.SEQUENCE),
    b"UID MOVE": _move(c.By.UID),
    b"UID EXPUNGE": lambda cursor: c.UidExpunge(cursor.message_set()),
    b"ID": _id,
    b"ENABLE": _enable,
}
