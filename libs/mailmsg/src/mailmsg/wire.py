"""Strings as IMAP sends them (RFC 9051 §4.3, §9 `nstring`)."""

from __future__ import annotations

_PLAIN = bytes(octet for octet in range(1, 128) if octet not in b'\r\n"\\')


def is_plain(value: bytes) -> bool:
    """Whether it stands between quotes as it is."""
    return not value.translate(None, _PLAIN)


def string(value: bytes, longest_octets: int) -> bytes:
    """A quoted string, or a literal where it holds 8-bit octets or line ends. NUL, which neither may hold, is left out."""
    if len(value) > longest_octets:
        value = value[:longest_octets]
    if is_plain(value):
        return b'"%s"' % value
    if b"\0" in value:
        value = value.replace(b"\0", b"")
    if value.isascii() and b"\r" not in value and b"\n" not in value:
        if b"\\" in value or b'"' in value:
            value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return b'"' + value + b'"'
    return b"{%d}\r\n%s" % (len(value), value)


def nstring(value: bytes | None, longest_octets: int) -> bytes:
    """A string, or NIL for None."""
    return b"NIL" if value is None else string(value, longest_octets)
