"""How the checks ask DNS: by a coroutine that the caller gives them.

The checks are plain coroutines; they await nothing but this one, import no event loop and know no deadline. The caller
brings the resolver, its cache and its time limit. (A check that runs out of time is a `Result.TEMPERROR`, RFC 7208
§4.6.4: the caller cancels it and says so.) Each check names the most questions that it asks.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class RecordType(Enum):
    """The kinds of records that are asked for."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"
    TXT = "TXT"


@dataclass(frozen=True, slots=True)
class Answers:
    """At least one record, each as text.

    A, AAAA: the address. MX: the exchange's name, best preference first. PTR: the name. TXT: all its strings joined
    without a space (RFC 7208 §3.3), every octet one character (Latin-1).
    """

    records: tuple[str, ...]


class NoAnswer(Enum):
    """A reliable answer that holds no such record."""

    NO_DATA = "no data"
    """The name exists, or something below it does (RCODE 0)."""
    NO_NAME = "no name"
    """The name does not exist, nor does anything below it (NXDOMAIN, RFC 8020)."""


@dataclass(frozen=True, slots=True)
class TempError:
    """No reliable answer: a time-out, a failing server, data that DNSSEC calls bogus."""

    reason: str = ""


Answer = Answers | NoAnswer | TempError


class Resolve(Protocol):
    """Answers one question. `name` is lower case, without a final dot, valid for DNS. Must not raise."""

    async def __call__(self, name: str, record_type: RecordType, /) -> Answer: ...
