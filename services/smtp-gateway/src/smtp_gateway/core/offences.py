"""What is held against a client, and what comes of it: answers that take their time, then a ban that grows.

Each offence weighs some points, which are forgotten over an hour. From a third of what is allowed on the client is made to wait
for its answers (a tarpit), at the whole of it it is banned. Each ban within the memory of the last is four times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

TARPIT_SHARE = 1 / 3
BAN_GROWTH = 4


class Offence(Enum):
    """What a client did; the value is its name in metrics and its weight in points."""

    UNKNOWN_RECIPIENT = ("unknown_recipient", 1)
    WRONG_PASSWORD = ("wrong_password", 2)
    UNWANTED_CONTENT = ("unwanted_content", 3)
    SPAM = ("spam", 3)
    VIRUS = ("virus", 10)
    PROTOCOL_ERRORS = ("protocol_errors", 5)
    SPOKE_EARLY = ("spoke_early", 5)

    @property
    def label(self) -> str:
        """Its name."""
        return self.value[0]

    @property
    def weight(self) -> int:
        """Its points."""
        return self.value[1]


BY_LABEL = {offence.label: offence for offence in Offence}


def chosen_weights(points: Mapping[str, int]) -> dict[Offence, int]:
    """What an operator wants offences to weigh, by their names. Raises ValueError on a name that is none."""
    if unknown := points.keys() - BY_LABEL.keys():
        raise ValueError(f"no such offence: {', '.join(sorted(unknown))}; there are {', '.join(BY_LABEL)}")
    if any(weight < 0 for weight in points.values()):
        raise ValueError("an offence weighs 0 points or more")
    return {BY_LABEL[label]: weight for label, weight in points.items()}


@dataclass(frozen=True, slots=True)
class Rules:
    """How much is forgiven: `points` an hour (0: everything), how long a first ban and the longest last, and an answer
    in the tarpit.
    """

    points: int
    first_ban_seconds: float
    longest_ban_seconds: float
    longest_wait_seconds: float
    # Where an offence weighs something else than usual.
    weights: Mapping[Offence, int] = field(default_factory=dict)

    def weight_of(self, offence: Offence) -> int:
        """Its points; 0: it is none."""
        return self.weights.get(offence, offence.weight)

    def ban_seconds(self, times: int) -> float:
        """Of the `times`th ban, counted from 1."""
        growth = float(BAN_GROWTH) ** min(times - 1, 20)
        return min(self.first_ban_seconds * growth, self.longest_ban_seconds)

    def wait_seconds(self, points: float) -> float:
        """How long somebody with so many points waits for an answer."""
        if not self.points:
            return 0.0
        share = min(points / self.points, 1.0)
        if share < TARPIT_SHARE:
            return 0.0
        return self.longest_wait_seconds * (share - TARPIT_SHARE + 0.1) / (1 - TARPIT_SHARE + 0.1)
