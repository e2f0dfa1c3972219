"""From a whole command to its dataclass (RFC 3501 §6, §9). Here: the frame, and what is about the session itself."""

import re
from collections.abc import Callable, Sequence

from mailproto.imap import commands as c
from mailproto.imap import (
    parse_acl,
    parse_mailboxes,
    parse_messages,
    parse_metadata,
    parse_multisearch,
    parse_notify,
    parse_select,
    parse_urls,
)
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.names import Dialect
from mailproto.imap.reader import Sink

# tag = 1*<any ASTRING-CHAR except "+">
TAG = re.compile(rb"[\x21\x23-\x24\x26-\x27\x2c-\x5b\x5d-\x7a\x7c\x7e]{1,64}")
VERB = re.compile(rb"[A-Za-z]+")
ID_FIELDS = 30
LANGUAGE_RANGES = 30


class CommandInvalid(Exception):
    """BAD is the answer. `tag` is "*" where there is none; `code` is a response code or "" (RFC 5530)."""

    def __init__(self, tag: str, text: str, code: str = "") -> None:
        super().__init__(text)
        self.tag = tag
        self.code = code


def parse(whole: bytes | bytearray, dialect: Dialect = Dialect.REV1, apart: Sequence[Sink] = ()) -> c.Tagged:
    """`apart`: its long literals. Raises CommandInvalid; CharsetUnknown from a search."""
    cursor = Cursor(whole, dialect, apart)
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
    if cursor.at_end() and word in BARE:
        return BARE[word]
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
    initial = bytes(cursor.data[cursor.position :])
    cursor.position = len(cursor.data)
    return c.Authenticate(mechanism, initial)


def _id(cursor: Cursor) -> c.Command:
    """id_params_list = "(" #(string SP nstring) ")" / nil (RFC 2971 §3.1)"""
    if cursor.take_nil():
        return c.Id(())
    cursor.expect(b"(")
    fields: list[tuple[str, str]] = []
    while not cursor.take(b")"):
        if fields:
            cursor.space()
        key = cursor.string().decode("utf-8", "replace")
        cursor.space()
        value = "" if cursor.take_nil() else cursor.string().decode("utf-8", "replace")
        fields.append((key[:30], value[:1024]))
        if len(fields) > ID_FIELDS:
            raise ParseError("too many fields", "LIMIT")
    return c.Id(tuple(fields))


def _enable(cursor: Cursor) -> c.Command:
    names = [cursor.word()]
    while cursor.take(b" "):
        names.append(cursor.word())
    return c.Enable(tuple(names))


def _language(cursor: Cursor) -> c.Command:
    """language-cmd = "LANGUAGE" *(SP lang-range-quoted)"""
    ranges = [cursor.text()]
    while cursor.take(b" "):
        ranges.append(cursor.text())
        if len(ranges) > LANGUAGE_RANGES:
            raise ParseError("too many languages", "LIMIT")
    return c.Language(tuple(ranges))


# What these mean without arguments.
BARE: dict[str, c.Command] = {"LANGUAGE": c.Language(()), "RESETKEY": c.ResetKey(None)}

PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"LOGIN": _login,
    b"AUTHENTICATE": _authenticate,
    b"ID": _id,
    b"ENABLE": _enable,
    b"LANGUAGE": _language,
    b"COMPRESS": lambda cursor: c.Compress(cursor.word()),
    **parse_select.PARSERS,
    **parse_acl.PARSERS,
    **parse_mailboxes.PARSERS,
    **parse_messages.PARSERS,
    **parse_metadata.PARSERS,
    **parse_notify.PARSERS,
    **parse_multisearch.PARSERS,
    **parse_urls.PARSERS,
}
