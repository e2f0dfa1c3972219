"""The match type ":matches" (RFC 5228 §2.7.1, RFC 5229 §3.2).

Theory of operation: the stars cut a pattern into pieces. The first piece must stand at the start and the last at the
end; each between is looked for from where the one before ended. Taking the first place that fits leaves the most room
for the rest, so nothing is ever tried again: the time is linear in the value. It also makes every star but the last
as short as can be, which is what match variables ask for.
"""

from __future__ import annotations

import re

MAX_PATTERN_OCTETS = 64 * 1024


class BadPattern(ValueError):
    """The pattern can't be used."""


class Piece:
    """What stands between two stars: octets, some of them `?`."""

    __slots__ = ("_literal", "_search", "_signs", "gaps", "size")

    def __init__(self, signs: list[int | None]) -> None:
        self._signs = signs
        self.size = len(signs)
        self.gaps = [offset for offset, sign in enumerate(signs) if sign is None]
        self._literal: bytes | None = None
        self._search: re.Pattern[bytes] | None = None
        if self.gaps:
            regex = b"".join(b"." if sign is None else re.escape(bytes((sign,))) for sign in signs)
            self._search = re.compile(regex, re.DOTALL)
        else:
            self._literal = bytes(sign for sign in signs if sign is not None)

    def is_at(self, value: bytes, position: int) -> bool:
        """True where the value has the piece here."""
        if self._search is None:
            assert self._literal is not None
            return value.startswith(self._literal, position)
        return self._search.match(value, position) is not None

    def find(self, value: bytes, start: int, end: int) -> int:
        """Where the value has the piece first, or -1."""
        if self._search is None:
            assert self._literal is not None
            return value.find(self._literal, start, end)
        found = self._search.search(value, start, end)
        return -1 if found is None else found.start()


class Wildcard:
    """A pattern, its octets folded by the comparator already. Raises BadPattern where it is too long."""

    __slots__ = ("_pieces", "cost")

    def __init__(self, pattern: bytes) -> None:
        if len(pattern) > MAX_PATTERN_OCTETS:
            raise BadPattern(f"a pattern is longer than {MAX_PATTERN_OCTETS} octets")
        pieces: list[list[int | None]] = [[]]
        signs = iter(pattern)
        for sign in signs:
            if sign == 0x2A:
                pieces.append([])
            elif sign == 0x3F:
                pieces[-1].append(None)
            else:
                # A backslash makes the next octet stand for itself; at the end it stands for itself.
                pieces[-1].append(next(signs, sign) if sign == 0x5C else sign)
        self._pieces = [Piece(piece) for piece in pieces]
        self.cost = 1 + max((piece.size for piece in self._pieces if piece.gaps), default=0) // 8
        """How much dearer than a plain search this is."""

    def match(self, folded: bytes, value: bytes) -> list[bytes] | None:
        """What each wildcard stands for in `value`, or None. `folded` is the value as the comparator folds it."""
        pieces = self._pieces
        first = pieces[0]
        found: list[bytes] = []
        if len(pieces) == 1:
            if len(folded) != first.size or not first.is_at(folded, 0):
                return None
            return _gaps(first, 0, value, found)
        last = pieces[-1]
        position = first.size
        end = len(folded) - last.size
        if end < position or not first.is_at(folded, 0) or not last.is_at(folded, end):
            return None
        _gaps(first, 0, value, found)
        for piece in pieces[1:-1]:
            start = piece.find(folded, position, end)
            if start < 0:
                return None
            found.append(value[position:start])
            _gaps(piece, start, value, found)
            position = start + piece.size
        found.append(value[position:end])
        return _gaps(last, end, value, found)


def quoted(text: bytes) -> bytes:
    """A pattern that matches this text and nothing else (RFC 5229 §4.1.2)."""
    return re.sub(rb"([*?\\])", rb"\\\1", text)


def _gaps(piece: Piece, start: int, value: bytes, found: list[bytes]) -> list[bytes]:
    for offset in piece.gaps:
        found.append(value[start + offset : start + offset + 1])
    return found
