"""What SORT and THREAD can be asked for (RFC 5256, RFC 5957)."""

from dataclasses import dataclass
from enum import Enum


class SortKey(Enum):
    """What messages are compared by."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    FROM = "FROM"
    # How well a message fits, the best first (RFC 6203 §6).
    RELEVANCY = "RELEVANCY"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


class Direction(Enum):
    """Which comes first."""

    ASCENDING = "ascending"
    DESCENDING = "descending"


@dataclass(frozen=True, slots=True)
class SortCriterion:
    key: SortKey
    direction: Direction


class ThreadAlgorithm(Enum):
    """How messages belong together."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"
    # By references alone, not by subjects; the thread that was written in last comes last.
    REFS = "REFS"
