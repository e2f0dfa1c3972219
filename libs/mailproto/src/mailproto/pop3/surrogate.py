"""Messages with UTF-8 in their header, for clients that did not say UTF8 (RFC 6856 §2.1): a surrogate in ASCII.

The header is rewritten field by field, as far as that can be done (after RFC 6857): text becomes encoded words, a
display name too; an address that is not ASCII is replaced by an empty group that names it, for no mail could be sent
there; what is not ASCII in a structured field becomes encoded words where it stands. A field that is no UTF-8 either
is old mail of somebody careless: it is sent as it came in, like every body. Linear, and at most MOST_HEADER_OCTETS are
held back; in a header beyond that, what is not ASCII becomes question marks.
"""

from __future__ import annotations

import re

from mailmsg.address import Address, Group, iterate_addresses
from mailmsg.header import header_end, unfold
from mailmsg.words import decode_words, encode_words

MOST_HEADER_OCTETS = 256 * 1024

_ADDRESSES = frozenset(
    b"from sender reply-to to cc bcc resent-from resent-sender resent-reply-to resent-to resent-cc resent-bcc "
    b"return-path delivered-to disposition-notification-to".split()
)
_TEXT = frozenset(b"subject comments keywords content-description".split())
# A line and those that continue it.
_FIELD = re.compile(rb"[^\n]*+\n(?:[ \t][^\n]*+\n?)*+|[^\n]++")
_NOT_ASCII = re.compile(rb"[^\x00-\x7f]+")
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")


class HeaderSurrogate:
    """Passes one message given in chunks; its header comes out in ASCII, the body as it is."""

    __slots__ = ("_held", "_in_header", "_too_long")

    def __init__(self) -> None:
        self._in_header = True
        self._too_long = False
        self._held = b""

    def pass_on(self, chunk: bytes) -> bytes:
        """The octets to send for this chunk; nothing while the end of the header is still to come."""
        if not self._in_header:
            return chunk
        if self._held:
            chunk = self._held + chunk
            self._held = b""
        end = header_end(chunk)
        if end is not None:
            self._in_header = False
            # However much of it comes at once.
            self._too_long = self._too_long or end > MOST_HEADER_OCTETS
            return chunk if chunk[:end].isascii() else self._made(chunk[:end]) + chunk[end:]
        if len(chunk) <= MOST_HEADER_OCTETS and not self._too_long:
            self._held = chunk
            return b""
        self._too_long = True
        # What could be the beginning of the blank line stays.
        self._held, chunk = chunk[-3:], chunk[:-3]
        return self._made(chunk)

    def finish(self) -> bytes:
        """What was held back of a message that has no body."""
        held, self._held = self._held, b""
        return self._made(held)

    def _made(self, header: bytes) -> bytes:
        if header.isascii():
            return header
        return _NOT_ASCII.sub(b"?", header) if self._too_long else surrogate(header)


def surrogate(header: bytes) -> bytes:
    """A header block without octets outside ASCII, but for fields that are no UTF-8."""
    return _FIELD.sub(lambda found: found[0] if found[0].isascii() else _field(found[0]), header)


def _field(raw: bytes) -> bytes:
    """`raw` is a whole field, or a line that is none, with its line end."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
    name, colon, value = raw.partition(b":")
    kind = name.strip().lower()
    if colon and kind in _ADDRESSES:
        return name + b": " + _addresses(unfold(value)) + b"\r\n"
    if colon and kind in _TEXT:
        return name + b": " + _words(unfold(value)) + b"\r\n"
    return _NOT_ASCII.sub(lambda run: _words(run[0]), raw)


def _addresses(value: bytes) -> bytes:
    made = []
    for entry in iterate_addresses(value):
        if isinstance(entry, Group):
            members = b", ".join(_address(member) for member in entry.members)
            made.append(_phrase(entry.name) + b": " + members + b";")
        else:
            made.append(_address(entry))
    return b",\r\n ".join(made) or b"undisclosed-recipients:;"


def _address(address: Address) -> bytes:
    if not address.address.isascii():
        # RFC 6857 §3.1.8: no mail can be sent there, but it can be read.
        return _words(b"Internationalized address " + address.address + b" removed") + b":;"
    if not address.name:
        return address.address
    return _phrase(address.name) + b" <" + address.address + b">"


def _phrase(name: bytes) -> bytes:
    if name.isascii():
        return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return _words(name)


def _words(value: bytes) -> bytes:
    return encode_words(_UNFIT.sub(" ", decode_words(value)))
