"""Whole messages that were read before somebody asks for them, in memory and nowhere else.

All sessions of a process share the room. Who reads ahead reserves room first; where there is none the oldest goes, so
sessions that went silent keep nothing from those that work. What is here is plaintext of tenants that encrypt, so it is
given for a short time only, and forgotten when a key is deleted.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

ROOM_OCTETS = 64 * 1024 * 1024
KEPT_SECONDS = 30.0

# Whose it is (any object that is one session's alone), and which of his messages.
Key = tuple[object, int]


class _Kept(NamedTuple):
    octets: bytes
    until: float


class Prepared:
    """Messages by key, each given once."""

    def __init__(
        self,
        room_octets: int = ROOM_OCTETS,
        kept_seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left = room_octets
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._kept: dict[Key, _Kept] = {}

    @property
    def left_octets(self) -> int:
        """Room that nobody has."""
        return self._left

    def reserve(self, octets: int) -> bool:
        """Whether there is so much room now; it is the caller's until `put` or `release`."""
        now = self._clock()
        # They stand in the order in which their time ends.
        while self._kept and (oldest := next(iter(self._kept.items())))[1].until <= now:
            self.drop(oldest[0])
        while octets > self._left and self._kept:
            self.drop(next(iter(self._kept)))
        if octets > self._left:
            return False
        self._left -= octets
        return True

    def release(self, octets: int) -> None:
        """Of what was reserved."""
        self._left += octets

    def put(self, key: Key, octets: bytes) -> None:
        """Keep it in room that was reserved for it."""
        self.drop(key)
        self._kept[key] = _Kept(octets, self._clock() + self._kept_seconds)

    def take(self, key: Key) -> bytes | None:
        """What was put, or None where it is not here any more."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        self._left += len(kept.octets)
        return kept.octets if self._clock() < kept.until else None

    def clear(self) -> None:
        """Let go of all: somebody's key may have been deleted."""
        for key in list(self._kept):
            self.drop(key)

    def drop(self, key: Key) -> None:
        """Let go of it, if it is here."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._left += len(kept.octets)
