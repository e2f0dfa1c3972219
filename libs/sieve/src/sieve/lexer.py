"""From the octets of a script to its tokens (RFC 5228 §8.1).

A bare LF is taken for CRLF, since people write scripts with editors: line ends within strings come out as CRLF. NUL
and a bare CR are errors. Tokens are made one at a time, so that a script costs no more memory than its tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from sieve.errors import ScriptError

MAX_NUMBER = 2**63 - 1
_LONGEST_IDENTIFIER = 256

_LINE_END = re.compile(rb"\r?\n")
_BLANK = re.compile(rb"(?:[ \t]++|(?:\r\n)++|\#[^\r\n]*+)++")
_IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*+")
_TAG = re.compile(rb":([A-Za-z_][A-Za-z0-9_]*+)")
_NUMBER = re.compile(rb"([0-9]++)([KMGkmg]?)(?![A-Za-z0-9_])")
_QUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MULTI_LINE = re.compile(rb"text:[ \t]*+(?:\#[^\r\n]*+)?\r\n", re.IGNORECASE)
_FACTORS = {b"": 1, b"k": 1 << 10, b"m": 1 << 20, b"g": 1 << 30}


class Kind(Enum):
    """What a token is."""

    IDENTIFIER = "a name"
    TAG = "a tag"
    NUMBER = "a number"
    STRING = "a string"
    MARK = "a mark"
    END = "the end of the script"


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is a lower case name or tag, a mark, or a string's octets; `number` a number's value."""

    kind: Kind
    text: bytes
    number: int
    line: int

    def __str__(self) -> str:
        if self.kind in (Kind.END, Kind.STRING, Kind.NUMBER):
            return str(self.kind.value)
        shown = self.text.decode("ascii", "replace")
        return f'":{shown}"' if self.kind is Kind.TAG else f'"{shown}"'


class Lexer:
    """Gives a script's tokens one by one. Raises ScriptError."""

    def __init__(self, source: bytes) -> None:
        source = _LINE_END.sub(b"\r\n", source.removeprefix(b"\xef\xbb\xbf"))
        _refuse(source, source.find(b"\0"), "a script can't hold NUL")
        if source.count(b"\r") != source.count(b"\r\n"):
            stray = re.search(rb"\r(?!\n)", source)
            assert stray is not None
            _refuse(source, stray.start(), "CR stands without LF")
        self._source = source
        self._position = 0
        self._line = 1

    def next(self) -> Token:
        """The next token; the last is END, again and again."""
        self._skip_blanks()
        source = self._source
        position = self._position
        line = self._line
        if position >= len(source):
            return Token(Kind.END, b"", 0, line)
        first = source[position : position + 1]
        if first in b"{}()[];,":
            self._position = position + 1
            return Token(Kind.MARK, first, 0, line)
        if first == b'"':
            return self._quoted(line)
        if first in b"tT" and (opening := _MULTI_LINE.match(source, position)) is not None:
            return self._multi_line(opening.end(), line)
        if (found := _IDENTIFIER.match(source, position)) is not None:
            self._position = found.end()
            return Token(Kind.IDENTIFIER, self._name(found[0]), 0, line)
        if (found := _TAG.match(source, position)) is not None:
            self._position = found.end()
            return Token(Kind.TAG, self._name(found[1]), 0, line)
        if (found := _NUMBER.match(source, position)) is not None:
            self._position = found.end()
            return Token(Kind.NUMBER, b"", self._value(found[1], found[2]), line)
        shown = first.decode("ascii", "backslashreplace")
        raise ScriptError(f"{shown!r} has no meaning here", line)

    def _skip_blanks(self) -> None:
        source = self._source
        while True:
            found = _BLANK.match(source, self._position)
            if found is not None:
                self._advance(found.end())
            if not source.startswith(b"/*", self._position):
                return
            end = source.find(b"*/", self._position + 2)
            if end < 0:
                raise ScriptError("a comment is not closed", self._line)
            self._advance(end + 2)

    def _advance(self, position: int) -> None:
        self._line += self._source.count(b"\n", self._position, position)
        self._position = position

    def _name(self, text: bytes) -> bytes:
        if len(text) > _LONGEST_IDENTIFIER:
            raise ScriptError("a name is too long", self._line)
        return text.lower()

    def _value(self, digits: bytes, quantifier: bytes) -> int:
        stripped = digits.lstrip(b"0") or b"0"
        value = int(stripped) * _FACTORS[quantifier.lower()] if len(stripped) < 20 else MAX_NUMBER + 1
        if value > MAX_NUMBER:
            raise ScriptError("a number is too large", self._line)
        return value

    def _quoted(self, line: int) -> Token:
        found = _QUOTED.match(self._source, self._position)
        if found is None:
            raise ScriptError("a string is not closed", line)
        self._advance(found.end())
        text = found[1]
        if b"\\" in text:
            text = _ESCAPE.sub(rb"\1", text)
        return Token(Kind.STRING, text, 0, line)

    def _multi_line(self, start: int, line: int) -> Token:
        source = self._source
        if source.startswith(b".\r\n", start) or (source.endswith(b".") and start == len(source) - 1):
            text = b""
            end = start + 3
        else:
            close = source.find(b"\r\n.\r\n", start)
            if close < 0:
                if not source.endswith(b"\r\n.") or len(source) - 3 < start:
                    raise ScriptError('the line "." that ends a text is missing', line)
                close = len(source) - 3
            text = source[start : close + 2].replace(b"\r\n..", b"\r\n.")
            if text.startswith(b".."):
                text = text[1:]
            end = close + 5
        self._advance(min(end, len(source)))
        return Token(Kind.STRING, text, 0, line)


def _refuse(source: bytes, position: int, reason: str) -> None:
    if position >= 0:
        raise ScriptError(reason, source.count(b"\n", 0, position) + 1)
