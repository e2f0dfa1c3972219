"""How many messages one command takes (RFC 9738): of more, the last ones, and the answer says where it stopped.

What saves messages (COPY, MOVE, APPEND) may have a limit of its own: SAVELIMIT. COPY and APPEND do all or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from imap.core.answer import No

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Messages a command; 0: any number."""

    messages: int = 0
    saved: int = 0

    @property
    def of_saving(self) -> int:
        """What holds for commands that save messages."""
        both = [limit for limit in (self.messages, self.saved) if limit]
        return min(both, default=0)

    def words(self) -> list[str]:
        """What CAPABILITY says."""
        named = (("MESSAGELIMIT", self.messages), ("SAVELIMIT", self.saved))
        return [f"{name}={limit}" for name, limit in named if limit]


def last_ones(uids: Sequence[int], limit: int) -> tuple[Sequence[int], str]:
    """The last of these UIDs, which are in order, and the response code that tells the lowest; "" where all are meant."""
    if not limit or len(uids) <= limit:
        return uids, ""
    chosen = uids[-limit:]
    return chosen, f"MESSAGELIMIT {limit} {chosen[0]}"


def refuse_more(count: int, limit: int, lowest_uid: int | None = None) -> None:
    """Raises No where a command that does all or nothing would do too much."""
    if limit and count > limit:
        tail = "" if lowest_uid is None else f" {lowest_uid}"
        raise No(f"At most {limit} messages at once; nothing was done", f"MESSAGELIMIT {limit}{tail}")
