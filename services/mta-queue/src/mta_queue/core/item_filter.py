"""Which items are meant: what the operator can look for and act on."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any


class FilterInvalid(ValueError):
    """The text says what is wrong."""


class SummaryKey(Enum):
    """What items may have in common."""

    TENANT = "tenant"
    DOMAIN = "domain"
    STATUS = "status"
    SENDER = "sender"
    REPLY = "reply"


class Status(Enum):
    """What an item does now."""

    WAITING = "waiting"
    HELD = "held"
    # A process has it under lease.
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """All of what is set must be so; "" and None and () are not set.

    `sender` and `recipient` are addresses; `sender` may be `@domain`, and `<>` is the null reverse-path. `domain` is
    the recipients'. `reply` is part of the last reply, in any case. The instants are those of entering the queue.
    """

    tenant_id: str = ""
    queue_ids: tuple[str, ...] = ()
    sender: str = ""
    recipient: str = ""
    domain: str = ""
    status: Status | None = None
    reply: str = ""
    entered_before: datetime | None = None
    entered_after: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is set."""
        return self == ItemFilter()

    def to_json(self) -> dict[str, Any]:
        """What is set."""
        values: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "queue_ids": list(self.queue_ids),
            "sender": self.sender,
            "recipient": self.recipient,
            "domain": self.domain,
            "status": self.status.value if self.status is not None else "",
            "reply": self.reply,
            "entered_before": self.entered_before.isoformat() if self.entered_before is not None else "",
            "entered_after": self.entered_after.isoformat() if self.entered_after is not None else "",
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ItemFilter":
        """The reverse of to_json."""

        def instant(name: str) -> datetime | None:
            return datetime.fromisoformat(values[name]) if name in values else None

        return cls(
            tenant_id=values.get("tenant_id", ""),
            queue_ids=tuple(values.get("queue_ids", ())),
            sender=values.get("sender", ""),
            recipient=values.get("recipient", ""),
            domain=values.get("domain", ""),
            status=Status(values["status"]) if "status" in values else None,
            reply=values.get("reply", ""),
            entered_before=instant("entered_before"),
            entered_after=instant("entered_after"),
        )
