"""SELECT and EXAMINE with their parameters (RFC 3501 §6.3.1, RFC 4466 §2.1, RFC 7162 §3.1.8, §3.2.5)."""

from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.message_set import STAR, MessageSet


def _select(cursor: Cursor, access: c.Access) -> c.Command:
    mailbox = cursor.mailbox()
    wants_modseqs = False
    resync: c.Resync | None = None
    if cursor.take(b" ("):
        while True:
            word = cursor.word()
            if word == "CONDSTORE":
                wants_modseqs = True
            elif word == "QRESYNC" and resync is None:
                cursor.space()
                resync = _resync(cursor)
            else:
                raise ParseError("there is no such parameter of SELECT")
            if cursor.take(b")"):
                break
            cursor.space()
    return c.Select(mailbox, access, wants_modseqs, resync)


def _resync(cursor: Cursor) -> c.Resync:
    """ "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" """
    cursor.expect(b"(")
    uid_validity = cursor.number()
    cursor.space()
    modseq = cursor.modseq()
    known_uids: MessageSet | None = None
    pairs: tuple[MessageSet, MessageSet] | None = None
    if cursor.take(b" ") and cursor.peek() != b"(":
        known_uids = _known(cursor)
        if not cursor.take(b" "):
            cursor.expect(b")")
            return c.Resync(uid_validity, modseq, known_uids, None)
    if cursor.take(b"("):
        numbers = _known(cursor)
        cursor.space()
        pairs = (numbers, _known(cursor))
        cursor.expect(b")")
    cursor.expect(b")")
    return c.Resync(uid_validity, modseq, known_uids, pairs)


def _known(cursor: Cursor) -> MessageSet:
    """A sequence-set without `*` and `$`."""
    numbers = cursor.message_set()
    if numbers.is_saved or any(STAR in ends for ends in numbers.ranges):
        raise ParseError("a set without * expected")
    return numbers


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {
    b"SELECT": lambda cursor: _select(cursor, c.Access.READ_WRITE),
    b"EXAMINE": lambda cursor: _select(cursor, c.Access.READ_ONLY),
}
