"""How many messages one command takes (RFC 9738): of more, the last ones, and the answer says where it stopped.

What does all or nothing (COPY, APPEND) or would make no sense of a part (SORT, THREAD, FETCH of a PARTIAL range that is
larger) is refused. Where only COPY and APPEND are limited, that is SAVELIMIT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from imap.core.answer import No

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Messages a command; 0: any number. One of the two at most."""

    messages: int = 0
    saved: int = 0

    @property
    def of_saving(self) -> int:
        """What holds for COPY and APPEND."""
        return self.messages or self.saved

    def words(self) -> list[str]:
        """What CAPABILITY says: SAVELIMIT stands in the place of MESSAGELIMIT (§3)."""
        if self.messages:
            return [f"MESSAGELIMIT={self.messages}"]
        return [f"SAVELIMIT={self.saved}"] if self.saved else []


def last_ones(uids: Sequence[int], limit: int) -> tuple[Sequence[int], str]:
    """The last of these UIDs, which are in order, and the response code that tells the lowest; "" where all are meant."""
    if not limit or len(uids) <= limit:
        return uids, ""
    chosen = uids[-limit:]
    return chosen, f"MESSAGELIMIT {limit} {chosen[0]}"


def refuse_more(count: int, limit: int, lowest_uid: int | None = None) -> None:
    """Raises No where a command that does all or nothing would do too much (§3.1, §3.3)."""
    if limit and count > limit:
        tail = "" if lowest_uid is None else f" {lowest_uid}"
        raise No(f"At most {limit} messages at once; nothing was done", f"MESSAGELIMIT {limit}{tail}")
