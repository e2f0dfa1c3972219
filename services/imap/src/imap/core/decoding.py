"""Taking a part's transfer encoding off, piece by piece (RFC 3516 §4; RFC 2045 §6.7, §6.8): nothing is held as a whole.

Damaged content is decoded as far as it goes. Lines of text end in CRLF afterwards, however they were written
(RFC 3516 §6).
"""

import binascii
import re
from collections.abc import Callable
from typing import Protocol

IDENTITY = ("", "7bit", "8bit", "binary")
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
NOT_BASE64 = bytes(set(range(256)) - set(ALPHABET))
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
# A line of quoted-printable that is longer is decoded in pieces.
LONGEST_LINE_OCTETS = 16 * 1024


class Decoder(Protocol):
    """Octets in, decoded octets out."""

    def feed(self, data: bytes) -> bytes:
        """What can be decoded by now."""

    def end(self) -> bytes:
        """What is left."""


class Base64:
    """Four characters are three octets; what is not of the alphabet is passed over, padding ends it."""

    def __init__(self) -> None:
        self._pending = b""
        self._is_over = False

    def feed(self, data: bytes) -> bytes:
        if self._is_over:
            return b""
        pending = self._pending + data.translate(None, NOT_BASE64)
        padding = pending.find(b"=")
        if padding >= 0:
            self._is_over = True
            self._pending = pending[:padding]
            return self.end()
        whole = len(pending) // 4 * 4
        self._pending = pending[whole:]
        return binascii.a2b_base64(pending[:whole])

    def end(self) -> bytes:
        pending, self._pending = self._pending, b""
        if len(pending) % 4 == 1:
            pending = pending[:-1]
        return binascii.a2b_base64(pending + b"=" * (-len(pending) % 4))


class QuotedPrintable:
    """Line by line, for a soft line break needs the whole of its line end."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        pending = self._pending + data
        whole = pending.rfind(b"\n") + 1
        if not whole and len(pending) > LONGEST_LINE_OCTETS:
            # Not within an =XX or an =CRLF.
            last = pending.rfind(b"=", len(pending) - 3)
            whole = last if last >= 0 else len(pending)
        self._pending = pending[whole:]
        return binascii.a2b_qp(pending[:whole])

    def end(self) -> bytes:
        pending, self._pending = self._pending, b""
        return binascii.a2b_qp(pending)


class Plain:
    """No encoding."""

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class Text:
    """Ends lines in CRLF."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner
        self._ends_in_return = False

    def feed(self, data: bytes) -> bytes:
        return self._lines(self._inner.feed(data))

    def end(self) -> bytes:
        return self._lines(self._inner.end())

    def _lines(self, data: bytes) -> bytes:
        if not data:
            return data
        follows, self._ends_in_return = self._ends_in_return, data.endswith(b"\r")
        if follows and data.startswith(b"\n"):
            return b"\n" + BARE_LINE_FEED.sub(b"\r\n", data[1:])
        return BARE_LINE_FEED.sub(b"\r\n", data)


def decoder(encoding: str, media_type: str) -> Callable[[], Decoder] | None:
    """How to make one for a part; None where its encoding is unknown (UNKNOWN-CTE). Both names in lower case."""
    made: Callable[[], Decoder]
    if encoding == "base64":
        made = Base64
    elif encoding == "quoted-printable":
        made = QuotedPrintable
    elif encoding in IDENTITY:
        return Plain
    else:
        return None
    return (lambda: Text(made())) if media_type.startswith("text/") else made


def decode(make: Callable[[], Decoder], data: bytes) -> bytes:
    """All at once."""
    one = make()
    return one.feed(data) + one.end()
