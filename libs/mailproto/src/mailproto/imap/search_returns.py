"""What SEARCH is to tell of what it finds (RFC 4731, RFC 5182, RFC 9394; RFC 9051 §6.4.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from mailproto.imap.fetch_items import FetchItem

T = TypeVar("T")


class SearchReturn(Enum):
    """Result options without arguments."""

    MIN = "MIN"
    MAX = "MAX"
    ALL = "ALL"
    COUNT = "COUNT"
    SAVE = "SAVE"
    # How well each message fits (RFC 6203 §4).
    RELEVANCY = "RELEVANCY"


@dataclass(frozen=True, slots=True)
class Partial:
    """partial-range: results `first` to `last`, both from 1 up, or both from -1 (the last) down, in either order."""

    first: int
    last: int

    def of(self, results: Sequence[T]) -> Sequence[T]:
        """That part of the results, which are in ascending order."""
        if self.first > 0:
            low, high = sorted((self.first, self.last))
            return results[low - 1 : high]
        low, high = sorted((-self.first, -self.last))
        return results[max(0, len(results) - high) : max(0, len(results) - low + 1)]

    @property
    def length(self) -> int:
        """How many results there are at most."""
        return abs(self.first - self.last) + 1

    def encode(self) -> bytes:
        """As the client wrote it."""
        return b"%d:%d" % (self.first, self.last)


@dataclass(frozen=True, slots=True)
class SearchReturns:
    """RETURN (...). With nothing in it, ALL is meant. CONTEXT (RFC 5267 §4.2) is a hint that says nothing here."""

    options: frozenset[SearchReturn]
    partial: Partial | None = None
    # Whether the client is to be told what changes in it (RFC 5267 §4.3), and what is fetched of messages that come
    # into the mailbox and into it (RFC 5465 §7).
    updates: bool = False
    update_items: tuple[FetchItem, ...] = ()
