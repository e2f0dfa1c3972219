"""The maildrop as one session sees it (RFC 1939 §5): fixed at login; deletions are marks until QUIT.

Of each message its size is kept, a number in an array; its unique-id is made when it is asked for. So 100,000 messages
take no time and little room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DropMessage:
    """One message: its size in octets, and its unique-id of 1 to 70 printable characters (RFC 1939 §7, UIDL)."""

    size_octets: int
    unique_id: bytes


class Maildrop:
    """Messages by number, from 1. A message marked as deleted can't be referred to."""

    def __init__(
        self, sizes_octets: Sequence[int], unique_id_of: Callable[[int], bytes], keep_days: int = 0
    ) -> None:
        """`unique_id_of` is asked with a message's number; after `keep_days` what was read is removed, 0: never."""
        self.keep_days = keep_days
        self._sizes = sizes_octets
        self._unique_id_of = unique_id_of
        self._deleted: set[int] = set()
        self._all_octets = sum(sizes_octets)
        self._size_octets = self._all_octets

    @classmethod
    def of(cls, messages: Sequence[DropMessage]) -> Maildrop:
        """One of a few messages."""
        return cls([each.size_octets for each in messages], lambda number: messages[number - 1].unique_id)

    def get(self, number: int) -> DropMessage | None:
        """The message with this number, or None where there is none or it is deleted."""
        if not self.has(number):
            return None
        return DropMessage(self._sizes[number - 1], self._unique_id_of(number))

    def has(self, number: int) -> bool:
        """Whether there is a message with this number that is not deleted."""
        return 1 <= number <= len(self._sizes) and number not in self._deleted

    def size_of(self, number: int) -> int:
        """In octets, of a message that is there."""
        return self._sizes[number - 1]

    def scan_listing(self) -> Iterator[bytes]:
        """A line of LIST for each message that is not deleted."""
        deleted = self._deleted
        for number, size in enumerate(self._sizes, 1):
            if number not in deleted:
                yield b"%d %d\r\n" % (number, size)

    def unique_id_listing(self) -> Iterator[bytes]:
        """A line of UIDL for each message that is not deleted."""
        deleted = self._deleted
        for number in range(1, len(self._sizes) + 1):
            if number not in deleted:
                yield b"%d %s\r\n" % (number, self._unique_id_of(number))

    def count(self) -> int:
        """How many messages are not deleted."""
        return len(self._sizes) - len(self._deleted)

    def size_octets(self) -> int:
        """The octets of all messages that are not deleted."""
        return self._size_octets

    def delete(self, number: int) -> None:
        """Mark a message that is there."""
        self._deleted.add(number)
        self._size_octets -= self._sizes[number - 1]

    def reset(self) -> None:
        """Take all marks away."""
        self._deleted.clear()
        self._size_octets = self._all_octets

    @property
    def deleted(self) -> tuple[int, ...]:
        """The numbers of the marked messages."""
        return tuple(sorted(self._deleted))
