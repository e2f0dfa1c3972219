"""Responses of a server as octets (RFC 3501 §7)."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from mailproto.imap.message_set import compact
from mailproto.imap.names import Dialect, encode_name

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PLAIN = re.compile(rb"[\x20\x21\x23-\x5b\x5d-\x7e]*")


def quoted_or_literal(octets: bytes) -> bytes:
    """string = quoted / literal, whichever can hold it."""
    if PLAIN.fullmatch(octets) and len(octets) < 1000:
        return b'"' + octets + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    """literal = "{" number "}" CRLF *CHAR8"""
    return b"{%d}\r\n%b" % (len(octets), octets)


def mailbox(name: str, dialect: Dialect) -> bytes:
    """A mailbox's name."""
    return _word(encode_name(name, dialect))


def entry(name: str) -> bytes:
    """The name of an annotation, which a client has chosen: quotes, spaces and `{9}` may be in it (RFC 5464 §5)."""
    return _word(name.encode("ascii"))


def _word(octets: bytes) -> bytes:
    if re.fullmatch(rb"[A-Za-z0-9./_+\-&,=]+", octets):
        return octets
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", octets) + b'"'


def tagged(tag: str, status: str, text: str, code: str = "") -> bytes:
    """The answer that ends a command: OK, NO or BAD."""
    front = f"[{code}] " if code else ""
    return f"{tag} {status} {front}{text}\r\n".encode("utf-8", "replace")


def untagged(status: str, text: str, code: str = "") -> bytes:
    """OK, NO, BAD, BYE or PREAUTH on its own."""
    return tagged("*", status, text, code)


def flags(names: Iterable[str]) -> bytes:
    """A list of flags in parentheses."""
    return b"(" + " ".join(names).encode("ascii", "replace") + b")"


def listing(kind: bytes, attributes: Sequence[str], name: bytes, extended: bytes = b"") -> bytes:
    """LIST or LSUB; `name` as `mailbox` gives it, `extended` items without their outer parentheses (RFC 5258 §3.5)."""
    words = " ".join(attributes).encode("ascii")
    tail = b" (%b)" % extended if extended else b""
    return b'* %b (%b) "/" %b%b\r\n' % (kind, words, name, tail)


def status(name: bytes, items: Sequence[tuple[str, object]]) -> bytes:
    """STATUS; `name` as `mailbox` gives it, values are shown as they are printed."""
    shown = " ".join(f"{item} {value}" for item, value in items)
    return b"* STATUS %b (%b)\r\n" % (name, shown.encode("ascii"))


def search(numbers: Sequence[int], modseq: int | None = None) -> bytes:
    """SEARCH; with the highest MODSEQ of what was found where it was asked for (RFC 7162 §3.1.6)."""
    return b"* SEARCH%b\r\n" % _numbers(numbers, modseq)


def sort(numbers: Sequence[int], modseq: int | None = None) -> bytes:
    """SORT (RFC 5256 §4), with the highest MODSEQ like SEARCH (RFC 7162 §3.1.9)."""
    return b"* SORT%b\r\n" % _numbers(numbers, modseq)


def _numbers(numbers: Sequence[int], modseq: int | None) -> bytes:
    words = "".join(f" {number}" for number in numbers)
    if modseq is not None:
        words += f" (MODSEQ {modseq})"
    return words.encode("ascii")


def vanished(uids: Sequence[int], *, earlier: bool = False) -> bytes:
    """VANISHED (RFC 7162 §3.2.10)."""
    return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if earlier else b"", compact(uids))


def esearch(tag: str, is_uid: bool, items: Sequence[tuple[str, bytes]], of: bytes = b"") -> bytes:
    """ESEARCH (RFC 4731 §4); the items' values are ready, `of` are correlators beside the tag (RFC 7377 §2.1)."""
    words = b"".join(b" %b %b" % (name.encode("ascii"), value) for name, value in items)
    return b'* ESEARCH (TAG "%b"%b)%b%b\r\n' % (tag.encode("ascii"), of, b" UID" if is_uid else b"", words)


def internal_date(at: datetime) -> bytes:
    """date-time; `at` is aware, shown in UTC."""
    return b'"%02d-%b-%04d %02d:%02d:%02d +0000"' % (
        at.day,
        MONTHS[at.month - 1].encode("ascii"),
        at.year,
        at.hour,
        at.minute,
        at.second,
    )
