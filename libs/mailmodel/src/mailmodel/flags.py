"""Flags of a message (RFC 3501 §2.3.2): system flags as bits, keywords as words.

`\\Recent` belongs to a session and not to a message: it is not here.
"""

from collections.abc import Iterable
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
        keywords = set()
        for name in names:
            if name.startswith("\\"):
                system |= _BY_WIRE_NAME.get(name.lower(), NO_SYSTEM_FLAG)
            else:
                keywords.add(name)
        return cls(system, frozenset(keywords))

    def to_wire(self) -> list[str]:
        """As a server writes them: system flags first, keywords in order."""
        return [name for flag, name in WIRE_NAMES.items() if self.system & flag] + sorted(self.keywords)


NO_FLAGS = Flags()


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
        if self.action is FlagAction.ADD:
            return Flags(flags.system | self.flags.system, flags.keywords | self.flags.keywords)
        if self.action is FlagAction.REMOVE:
            return Flags(flags.system & ~self.flags.system, flags.keywords - self.flags.keywords)
        return self.flags
