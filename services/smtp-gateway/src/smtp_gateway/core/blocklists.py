"""Lists in DNS of addresses that are known, for ill or for good (RFC 5782): how one is written in the settings, what is asked,
what an answer means.

`zone[=codes][*weight]`: `zen.example.org=127.0.0.2|127.0.0.4-11*2`, `list.dnswl.example=127.0.0-255.1-3*-5`. Codes are
addresses whose parts may be ranges; without any, every answer within 127.0.0.0/8 counts, but for 127.255.0.0/16, in which
lists say that they do not answer us. A weight below 0 speaks for a client. Without a weight it is 1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from senderauth.names import is_qualified_name

_PART = r"(\d{1,3})(?:-(\d{1,3}))?"
_CODE = re.compile(r"\.".join([_PART] * 4))
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class List:
    """One list. `codes` are four ranges each; none: all answers count."""

    zone: str
    weight: float = 1.0
    codes: tuple[tuple[Range, ...], ...] = ()

    def counts(self, answers: Sequence[str]) -> bool:
        """Whether one of the answers is a listing."""
        return any(self._counts(answer) for answer in answers)

    def refuses(self, answers: Sequence[str]) -> bool:
        """Whether the list says that it does not answer us (too many questions, no account)."""
        return any(answer.startswith("127.255.") for answer in answers)

    def _counts(self, answer: str) -> bool:
        parts = [int(part) for part in answer.split(".")] if _CODE.fullmatch(answer) else []
        if not parts or parts[0] != 127 or parts[:2] == [127, 255]:
            return False
        return not self.codes or any(
            all(low <= part <= high for part, (low, high) in zip(parts, code, strict=True))
            for code in self.codes
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What all lists together say of a client. `score` is the sum of weights; lists by their zones."""

    score: float = 0.0
    against: tuple[str, ...] = ()
    in_favour: tuple[str, ...] = ()


def parse(text: str) -> List:
    """One list as it is written in the settings. Raises ValueError."""
    rest, star, weight_text = text.strip().partition("*")
    zone, equals, codes_text = rest.partition("=")
    zone = zone.strip().lower().removesuffix(".")
    if not is_qualified_name(zone):
        raise ValueError(f"{text!r}: {zone!r} is no zone")
    try:
        weight = float(weight_text) if star else 1.0
    except ValueError:
        raise ValueError(f"{text!r}: {weight_text!r} is no weight") from None
    if not weight or abs(weight) > 1000 or weight != weight:
        raise ValueError(f"{text!r}: a weight lies between -1000 and 1000 and is not 0")
    codes = []
    for code in codes_text.split("|") if equals else ():
        match = _CODE.fullmatch(code.strip())
        if match is None:
            raise ValueError(f"{text!r}: {code!r} is no code")
        numbers = [(int(match[n]), int(match[n + 1] or match[n])) for n in range(1, 9, 2)]
        codes.append(tuple(numbers))
    return List(zone, weight, tuple(codes))


def question(address: IPv4Address | IPv6Address, zone: str) -> str:
    """The name that is asked for (RFC 5782 §2.1, §2.4)."""
    reverse = address.reverse_pointer
    return f"{reverse.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def standing(found: Sequence[List]) -> Standing:
    """Of the lists that have a client."""
    return Standing(
        sum(each.weight for each in found),
        tuple(each.zone for each in found if each.weight > 0),
        tuple(each.zone for each in found if each.weight < 0),
    )
