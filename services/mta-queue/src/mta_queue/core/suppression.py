"""Addresses that a tenant's mail goes to no more: nobody is there, they complained, or somebody said so."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mailproto.smtp.reply import Reply


class Cause(Enum):
    """Why."""

    HARD_BOUNCE = "hard-bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One address. Without `expires_at` until it is removed."""

    tenant_id: str
    address: str
    cause: Cause
    detail: str
    queue_id: str
    created_at: datetime
    expires_at: datetime | None


def key_of(address: str) -> str:
    """Addresses that differ in case only are one here: to write to neither is the safe side."""
    return address.strip().lower()


def refusal(found: Suppression) -> Reply:
    """What is recorded, and told to the sender, in place of an attempt (RFC 3463: X.1.0, other address status)."""
    text = f"Suppressed: {found.cause.value} on {found.created_at:%Y-%m-%d}"
    return Reply.of(550, "5.1.0", (f"{text}: {found.detail}" if found.detail else text)[:500])


SUPPRESSED = "Suppressed: "


def is_refusal(reply: Reply) -> bool:
    """Whether it is one of these."""
    return reply.code == 550 and reply.enhanced == "5.1.0" and reply.text.startswith(SUPPRESSED)
