"""Values of the Content-… fields (RFC 2045 §5, §6, RFC 2183): a token or type/subtype, then parameters.

Parameters are given as they stand on the wire: the continuations and charsets of RFC 2231 and the encoded words of
RFC 2047 are left to the reader. Comments are taken out. Malformed parameters are read as far as they make sense.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_VALUE_OCTETS = 16 * 1024
"""What follows in one value is not read."""
MAX_PARAMETERS = 64
MAX_PARAMETER_OCTETS = 2048
_REMEMBERED_OCTETS = 64
"""Longer ones mostly name a boundary, which does not come again."""

Parameters = tuple[tuple[bytes, bytes], ...]

_TOKEN = rb"[!#-'*+\-.0-9A-Z^-~]++"
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_FIRST_TOKEN = re.compile(rb'[\s"]*+(' + _TOKEN + rb")")
_PARAMETER = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)"?|([^;]*+))', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT_MARK = re.compile(rb'[()]|\\.|"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type; names lower case, values as written without quoting."""

    maintype: bytes
    subtype: bytes
    parameters: Parameters

    @property
    def holds_entities(self) -> bool:
        """True for multiparts and for the messages that IMAP looks into."""
        if self.maintype == b"message":
            return self.subtype in (b"rfc822", b"global")
        return self.maintype == b"multipart"

    def parameter(self, name: bytes) -> bytes | None:
        """The first parameter with this (lower case) name."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None


TEXT_PLAIN = ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),))
MESSAGE_RFC822 = ContentType(b"message", b"rfc822", ())
OPAQUE = ContentType(b"application", b"octet-stream", ())


def parse_content_type(value: bytes) -> ContentType | None:
    """The media type of an unfolded Content-Type value; None where it has none (RFC 2045 §5.2: then text/plain)."""
    return (_remembered if len(value) <= _REMEMBERED_OCTETS else _parsed)(value)


def _parsed(value: bytes) -> ContentType | None:
    value = _without_comments(value[:MAX_VALUE_OCTETS])
    found = _TYPE.match(value)
    if found is None:
        return None
    return ContentType(found[1].lower(), found[2].lower(), _parameters(value, found.end()))


# Most messages are of the same few types.
_remembered = lru_cache(maxsize=512)(_parsed)


def parse_disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """The disposition (lower case) and the parameters of an unfolded Content-Disposition value, or None."""
    value = _without_comments(value[:MAX_VALUE_OCTETS])
    found = _FIRST_TOKEN.match(value)
    return None if found is None else (found[1].lower(), _parameters(value, found.end()))


def parse_encoding(value: bytes | None) -> bytes:
    """The transfer encoding (lower case) of a Content-Transfer-Encoding value; 7bit where there is none."""
    if value is None:
        return b"7bit"
    found = _FIRST_TOKEN.match(_without_comments(value[:MAX_VALUE_OCTETS]))
    return b"7bit" if found is None else found[1].lower()[:64]


def parse_languages(value: bytes) -> tuple[bytes, ...]:
    """The tags of a Content-Language value (RFC 3282)."""
    tags = _without_comments(value[:MAX_VALUE_OCTETS]).split(b",", 16)[:16]
    return tuple(tag.strip()[:100] for tag in tags if tag.strip())


def _parameters(value: bytes, start: int) -> Parameters:
    if b";" not in value:
        return ()
    parameters: list[tuple[bytes, bytes]] = []
    for found in _PARAMETER.finditer(value, start):
        name, quoted, bare = found.groups()
        text = bare.strip() if quoted is None else quoted
        if quoted is not None and b"\\" in text:
            text = _QUOTED_PAIR.sub(rb"\1", text)
        parameters.append((name.lower()[:200], text[:MAX_PARAMETER_OCTETS]))
        if len(parameters) == MAX_PARAMETERS:
            break
    return tuple(parameters)


def _without_comments(value: bytes) -> bytes:
    """The value without its comments, which may nest (RFC 5322 §3.2.2); quoted strings stay as they are."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    depth = 0
    quoted = False
    start = 0
    for mark in _COMMENT_MARK.finditer(value):
        sign = mark[0]
        if sign == b'"' and depth == 0:
            quoted = not quoted
        elif quoted:
            continue
        elif sign == b"(":
            if depth == 0:
                kept.append(value[start : mark.start()])
            depth += 1
        elif sign == b")" and depth:
            depth -= 1
            start = mark.end()
    if depth == 0:
        kept.append(value[start:])
    return b" ".join(kept)
