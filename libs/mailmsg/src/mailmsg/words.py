"""Encoded words in header fields (RFC 2047): read what others wrote, and write our own in UTF-8."""

from __future__ import annotations

import base64
import binascii
import re

from mailmsg.charset import codec_of

# encoded-word = "=?" charset "?" encoding "?" encoded-text "?=", the charset with an optional language (RFC 2231 §5).
_ENCODED_WORD = re.compile(
    rb"=\?([!#-)+\-0-9A-Z\\^-~]{1,60})(?:\*[A-Za-z0-9-]{0,40})?\?([bBqQ])\?([!->@-~]*+)\?="
)
_HEX_PAIR = re.compile(rb"=([0-9A-Fa-f]{2})")
_MAX_WORD_OCTETS = 75


def decode_words(value: bytes) -> str:
    """The text of an unstructured value or a phrase. Never raises: what can't be decoded shows as U+FFFD.

    White space between two encoded words vanishes (RFC 2047 §6.2). Octets outside of encoded words are UTF-8
    (RFC 6532), or else Latin-1.
    """
    if b"=?" not in value:
        return _plain(value)
    pieces: list[str] = []
    pending: list[bytes] = []  # Of neighbouring words in one charset: a character may be split between them.
    pending_charset = b""
    position = 0
    for found in _ENCODED_WORD.finditer(value):
        between = value[position : found.start()]
        charset = found[1].lower()
        if position and not between.strip(b" \t\r\n"):
            between = b""
        if between or charset != pending_charset:
            pieces.append(_decode(b"".join(pending), pending_charset))
            pending.clear()
            pieces.append(_plain(between))
        pending.append(_octets(found[2], found[3]))
        pending_charset = charset
        position = found.end()
    pieces.append(_decode(b"".join(pending), pending_charset))
    pieces.append(_plain(value[position:]))
    return "".join(pieces)


def encode_words(text: str) -> bytes:
    """Text for an unstructured field or a phrase: itself where it is plain ASCII, else encoded words on folded lines."""
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text.encode("ascii")
    words: list[bytes] = []
    chunk = b""
    room = (_MAX_WORD_OCTETS - len(b"=?utf-8?B??=")) // 4 * 3
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > room:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return b"\r\n ".join(b"=?utf-8?B?" + base64.b64encode(word) + b"?=" for word in words)


def _octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return _HEX_PAIR.sub(lambda pair: bytes((int(pair[1], 16),)), text.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b"\xef\xbf\xbd"


def _decode(octets: bytes, charset: bytes) -> str:
    if not octets:
        return ""
    codec = codec_of(charset.decode("ascii"))
    if codec is None:
        return _plain(octets)
    try:
        return octets.decode(codec, "replace")
    except ValueError:
        return _plain(octets)


def _plain(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")
