"""Sets of message numbers (RFC 3501 §9, sequence-set): `1,3:5,7:*`, and `$`, what the last search saved (RFC 5182)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# A number that stands for `*`, the largest there is.
STAR = 0
RANGES = 10_000


@dataclass(frozen=True, slots=True)
class MessageSet:
    """Ranges (low, high), each end a number or STAR, as they were written. `SAVED` has none and stands for `$`."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def is_saved(self) -> bool:
        """Whether the saved result is meant."""
        return not self.ranges

    def spans(self, largest: int) -> Iterator[tuple[int, int]]:
        """Ordered pairs low <= high with `*` put in. RFC 3501: 3:* holds the largest even where that is below 3."""
        for first, last in self.ranges:
            low = largest if first == STAR else first
            high = largest if last == STAR else last
            yield (low, high) if low <= high else (high, low)

    def encode(self) -> bytes:
        """As it is written."""
        if self.is_saved:
            return b"$"
        return ",".join(
            _number(first) if first == last else f"{_number(first)}:{_number(last)}"
            for first, last in self.ranges
        ).encode()


SAVED = MessageSet(())


class Spans:
    """Sets of numbers to ask whether a number is among them: merged, sorted, looked up by halving."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in sorted(spans):
            if self._highs and low <= self._highs[-1] + 1:
                self._highs[-1] = max(self._highs[-1], high)
            else:
                self._lows.append(low)
                self._highs.append(high)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._lows, number) - 1
        return place >= 0 and number <= self._highs[place]


def _number(number: int) -> str:
    return "*" if number == STAR else str(number)


def compact(numbers: Sequence[int]) -> bytes:
    """A sorted list of numbers as a set: 1:3,7."""
    parts: list[str] = []
    position = 0
    while position < len(numbers):
        end = position
        while end + 1 < len(numbers) and numbers[end + 1] == numbers[end] + 1:
            end += 1
        parts.append(str(numbers[position]) if end == position else f"{numbers[position]}:{numbers[end]}")
        position = end + 1
    return ",".join(parts).encode()
