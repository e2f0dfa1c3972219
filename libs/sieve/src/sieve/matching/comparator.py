"""Comparators (RFC 4790): when two strings are the same, and which of them comes first."""

from __future__ import annotations

from enum import Enum


class Comparator(Enum):
    """A comparator, by its registered name."""

    OCTET = "i;octet"
    CASEMAP = "i;ascii-casemap"
    NUMERIC = "i;ascii-numeric"

    @property
    def has_substrings(self) -> bool:
        """True where parts of a string can be compared (RFC 5228 §2.7.1)."""
        return self is not Comparator.NUMERIC

    def folded(self, text: bytes) -> bytes:
        """A string of the same length that stands for all that are the same, where there are substrings."""
        return text.upper() if self is Comparator.CASEMAP else text

    def order(self, left: bytes, right: bytes) -> int:
        """Below, at or above 0 as the left string comes before, with or after the right one."""
        if self is Comparator.NUMERIC:
            return _sign(number(left), number(right))
        left, right = self.folded(left), self.folded(right)
        return (left > right) - (left < right)


def number(text: bytes) -> tuple[int, bytes]:
    """What "i;ascii-numeric" sees (RFC 4790 §9.1): the digits that a string begins with, as (length, digits), so
    that numbers of any size compare without arithmetic. A string without digits is above all numbers."""
    end = 0
    while end < len(text) and 48 <= text[end] <= 57:
        end += 1
    if not end:
        return 1 << 62, b""
    digits = text[:end].lstrip(b"0")
    return len(digits), digits


def _sign(left: tuple[int, bytes], right: tuple[int, bytes]) -> int:
    return (left > right) - (left < right)
