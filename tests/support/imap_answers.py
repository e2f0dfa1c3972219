"""IMAP's responses as a client reads them, strictly (RFC 3501 §9, response): and written again.

A response is a list of values; a value is an atom (bytes), a String or a list. `Glued` stands before a list that follows
another without a space, as the parts of a multipart and threads do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailproto.imap import responses

# Numbers, flags, sets, and names like BODY[1.HEADER.FIELDS (To "a b")]<0>.
SECTION = re.compile(
    rb'(?:BODY|BINARY|BINARY\.SIZE)\[(?:[^\]"\r\n(]|\((?:"(?:[^"\\\r\n]|\\["\\])*"|[^")\r\n])*\))*\](?:<[0-9]+>)?'
)
ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%\"\\]+|\\(?:\*|[^\x00-\x20\x7f-\xff(){%*\"\\]+)")
QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
LITERAL = re.compile(rb"(~?)\{([0-9]+)\}\r\n")
STATUS = re.compile(
    rb"(?P<tag>\*|[^ +*%(){\"\\\x00-\x20]+) (?P<status>OK|NO|BAD|BYE|PREAUTH) "
    rb"(?:\[(?P<code>[A-Z0-9-]+(?: (?:\"(?:[^\"\\]|\\.)*\"|[^\]\"\r\n])+)?)\] )?(?P<text>[^\[\r\n\x00][^\r\n\x00]*)"
)
ENDS_WITH_LITERAL = re.compile(rb"~?\{([0-9]+)\}\r\n\Z")


@dataclass(frozen=True)
class String:
    """A string, however it was written."""

    octets: bytes
    is_binary: bool = False
    is_literal: bool = field(default=False, compare=False)


class Glued:
    """No space before what follows."""


GLUED = Glued()
Value = bytes | String | Glued | list["Value"]


@dataclass(frozen=True)
class Status:
    """OK and its kin."""

    tag: bytes
    status: bytes
    code: bytes
    text: bytes


def split(said: bytes) -> Iterator[bytes]:
    """Whole responses, with their literals and the last CRLF."""
    position = start = 0
    while position < len(said):
        end = said.find(b"\r\n", position)
        assert end >= 0, said[start:]
        position = end + 2
        found = ENDS_WITH_LITERAL.search(said, start, position)
        if found is not None:
            position += int(found[1])
            continue
        yield said[start:position]
        start = position


def read(response: bytes) -> Status | list[Value]:
    """Raises AssertionError for what no server may say."""
    assert response.endswith(b"\r\n")
    status = STATUS.fullmatch(response, 0, len(response) - 2)
    if status is not None:
        return Status(status["tag"], status["status"], status["code"] or b"", status["text"])
    assert response.startswith(b"* "), response
    values, end = _values(response, 2)
    assert end == len(response) - 2, response[end:]
    return values


def _values(data: bytes, position: int) -> tuple[list[Value], int]:
    """Up to a parenthesis that closes, or the end of the line."""
    values: list[Value] = []
    while not data.startswith((b")", b"\r\n"), position):
        if values:
            if data.startswith(b" ", position):
                position += 1
            else:
                assert isinstance(values[-1], list), data[position:]
                assert data.startswith(b"(", position), data[position:]
                values.append(GLUED)
        value, position = _value(data, position)
        values.append(value)
    return values, position


def _value(data: bytes, position: int) -> tuple[Value, int]:
    if data.startswith(b"(", position):
        inner, position = _values(data, position + 1)
        assert data.startswith(b")", position), data[position:]
        return inner, position + 1
    if (found := QUOTED.match(data, position)) is not None:
        return String(re.sub(rb"\\(.)", rb"\1", found[1])), found.end()
    if (found := LITERAL.match(data, position)) is not None:
        end = found.end() + int(found[2])
        assert end <= len(data)
        return String(data[found.end() : end], bool(found[1]), True), end
    found = SECTION.match(data, position) or ATOM.match(data, position)
    assert found is not None, data[position:]
    return found[0], found.end()


def written(response: Status | list[Value]) -> bytes:
    """As this server would write it."""
    if isinstance(response, Status):
        code = b"[%b] " % response.code if response.code else b""
        return b"%b %b %b%b\r\n" % (response.tag, response.status, code, response.text)
    return b"* " + _written(response) + b"\r\n"


def _written(values: list[Value]) -> bytes:
    said = b""
    for place, value in enumerate(values):
        if isinstance(value, Glued):
            continue
        if place and not isinstance(values[place - 1], Glued):
            said += b" "
        match value:
            case list():
                said += b"(" + _written(value) + b")"
            case String():
                sign = b"~" if value.is_binary else b""
                quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", value.octets) + b'"'
                said += sign + responses.literal(value.octets) if value.is_literal else quoted
            case _:
                said += value
    return said
