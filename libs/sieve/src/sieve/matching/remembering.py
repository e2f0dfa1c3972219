"""What all regular expressions of the process remember together (see `sieve.matching.regex`): so much, and no more.

Programs live long, and one script may hold thousands of expressions. A bound for each of them would be none.
"""

from __future__ import annotations

import weakref
from typing import Protocol

MOST = 500_000
"""States, transitions, and threads in states: some hundred octets each."""


class Rememberer(Protocol):
    """An expression."""

    def forget(self) -> None:
        """Give up what was remembered."""


class Remembering:
    """Counts, and lets all forget at once when it is too much. Several threads may use it: at worst it counts a
    little wrong."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._count = 0
        self._by: dict[int, weakref.ref[Rememberer]] = {}

    def note(self, who: Rememberer, amount: int) -> None:
        """So much more is remembered by `who`."""
        known = self._by.get(id(who))
        if known is None or known() is not who:
            self._by[id(who)] = weakref.ref(who)
        self._count += amount
        if self._count > self._most:
            everybody, self._by, self._count = self._by, {}, 0
            for each in list(everybody.values()):
                if (rememberer := each()) is not None:
                    rememberer.forget()
