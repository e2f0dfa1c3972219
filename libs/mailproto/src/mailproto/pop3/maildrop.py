"""The maildrop as one session sees it (RFC 1939 §5): fixed at login; deletions are marks until QUIT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DropMessage:
    """One message: its size in octets, and its unique-id of 1 to 70 printable characters (RFC 1939 §7, UIDL)."""

    size_octets: int
    unique_id: bytes


class Maildrop:
    """Messages by number, from 1. A message marked as deleted can't be referred to."""

    def __init__(self, messages: Sequence[DropMessage]) -> None:
        self._messages = tuple(messages)
        self._deleted: set[int] = set()
        self._all_octets = sum(message.size_octets for message in self._messages)
        self._size_octets = self._all_octets

    def get(self, number: int) -> DropMessage | None:
        """The message with this number, or None where there is none or it is deleted."""
        if not 1 <= number <= len(self._messages) or number in self._deleted:
            return None
        return self._messages[number - 1]

    def listed(self) -> Iterator[tuple[int, DropMessage]]:
        """(number, message) of all that are not deleted."""
        deleted = self._deleted
        for number, message in enumerate(self._messages, 1):
            if number not in deleted:
                yield number, message

    def count(self) -> int:
        """How many messages are not deleted."""
        return len(self._messages) - len(self._deleted)

    def size_octets(self) -> int:
        """The octets of all messages that are not deleted."""
        return self._size_octets

    def delete(self, number: int) -> None:
        """Mark a message that is there."""
        self._deleted.add(number)
        self._size_octets -= self._messages[number - 1].size_octets

    def reset(self) -> None:
        """Take all marks away."""
        self._deleted.clear()
        self._size_octets = self._all_octets

    @property
    def deleted(self) -> tuple[int, ...]:
        """The numbers of the marked messages."""
        return tuple(sorted(self._deleted))
