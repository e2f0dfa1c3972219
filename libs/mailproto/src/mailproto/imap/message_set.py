"""Sets of message numbers (RFC 3501 §9, sequence-set): `1,3:5,7:*`."""

from collections.abc import Iterator
from dataclasses import dataclass

# A number that stands for `*`, the largest there is.
STAR = 0
RANGES = 10_000


@dataclass(frozen=True, slots=True)
class MessageSet:
    """Ranges (low, high), each end a number or STAR, as they were written."""

    ranges: tuple[tuple[int, int], ...]

    def spans(self, largest: int) -> Iterator[tuple[int, int]]:
        """Ordered pairs low <= high with `*` put in. RFC 3501: 3:* holds the largest even where that is below 3."""
        for first, last in self.ranges:
            low = largest if first == STAR else first
            high = largest if last == STAR else last
            yield (low, high) if low <= high else (high, low)

    def encode(self) -> bytes:
        """As it is written."""
        return ",".join(
            _number(first) if first == last else f"{_number(first)}:{_number(last)}"
            for first, last in self.ranges
        ).encode()


def _number(number: int) -> str:
    return "*" if number == STAR else str(number)


def compact(numbers: list[int]) -> bytes:
    """A sorted list of numbers as a set: 1:3,7. For COPYUID and APPENDUID."""
    parts: list[str] = []
    position = 0
    while position < len(numbers):
        end = position
        while end + 1 < len(numbers) and numbers[end + 1] == numbers[end] + 1:
            end += 1
        parts.append(str(numbers[position]) if end == position else f"{numbers[position]}:{numbers[end]}")
        position = end + 1
    return ",".join(parts).encode()
