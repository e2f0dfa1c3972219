"""Flags of a message (RFC 3501 §2.3.2): system flags as bits, keywords as words.

Keywords are the same whatever their case (RFC 3501 §9, note 1); the spelling that
came first is kept.

`\\Recent` belongs to a session and not to a message: it is not here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntFlag

KEYWORD_OCTETS = 64
KEYWORDS_A_MESSAGE = 64


class SystemFlag(IntFlag):
    """The flags that begin with a backslash and are kept."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


NO_SYSTEM_FLAG = SystemFlag(0)
WIRE_NAMES = {
    SystemFlag.SEEN: "\\Seen",
    SystemFlag.ANSWERED: "\\Answered",
    SystemFlag.FLAGGED: "\\Flagged",
    SystemFlag.DELETED: "\\Deleted",
    SystemFlag.DRAFT: "\\Draft",
}
_BY_WIRE_NAME = {name.lower(): flag for flag, name in WIRE_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one message."""

    system: SystemFlag = NO_SYSTEM_FLAG
    keywords: frozenset[str] = frozenset()

    @classmethod
    def from_wire(cls, names: Iterable[str]) -> "Flags":
        """From names as a client writes them; `\\Recent` and unknown system flags are ignored."""
        system = NO_SYSTEM_FLAG
        keywords: dict[str, str] = {}
        for name in names:
            if name.startswith("\\"):
                system |= _BY_WIRE_NAME.get(name.lower(), NO_SYSTEM_FLAG)
            else:
                keywords.setdefault(name.lower(), name)
        return cls(system, frozenset(keywords.values()))

    def to_wire(self) -> list[str]:
        """As a server writes them: system flags first, keywords in order."""
        return [name for flag, name in WIRE_NAMES.items() if self.system & flag] + sorted(self.keywords)


NO_FLAGS = Flags()
# For each value of the system flags, with no keywords: what most messages have, made once.
WITHOUT_KEYWORDS = tuple(Flags(SystemFlag(value)) for value in range(32))


def flags_of(system: int, keywords: Sequence[str]) -> Flags:
    """From the numbers and words that a store keeps. Cheap where there are no keywords."""
    if not keywords:
        return WITHOUT_KEYWORDS[system]
    return Flags(SystemFlag(system), frozenset(keywords))


class FlagAction(Enum):
    """What STORE does with the flags it names (RFC 3501 §6.4.6)."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class FlagChange:
    """One STORE."""

    action: FlagAction
    flags: Flags

    def applied_to(self, flags: Flags) -> Flags:
        """The flags after the change."""
        system, keywords = self.flags.system, self.flags.keywords
        if self.action is FlagAction.ADD:
            had = {keyword.lower() for keyword in flags.keywords}
            added = {keyword for keyword in keywords if keyword.lower() not in had}
            return Flags(flags.system | system, flags.keywords | added)
        if self.action is FlagAction.REMOVE:
            named = {keyword.lower() for keyword in keywords}
            kept = frozenset(keyword for keyword in flags.keywords if keyword.lower() not in named)
            return Flags(flags.system & ~system, kept)
        return self.flags
