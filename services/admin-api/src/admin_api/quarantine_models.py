"""What goes in and out under /v1/quarantine, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from admin_api.models import Wire


class Finding(BaseModel):
    """What one scanner said."""

    scanner: Annotated[str, Field(examples=["clamav"])]
    verdict: Annotated[str, Field(examples=["virus", "unscannable", "clean", "spam", "skipped"])]
    detail: Annotated[str, Field(description="the name of the virus, or the reason")]


class Held(BaseModel):
    """A message that is kept from its recipients."""

    queue_id: str
    sender: Annotated[str, Field(description="the reverse-path; empty for notices")]
    recipients: Annotated[list[str], Field(description="those whose mailboxes are here; the first 100")]
    size_octets: int
    arrived_at: datetime
    held_at: datetime
    findings: list[Finding]


class ShownHeld(Held):
    """The same with the message's header."""

    header: Annotated[str, Field(description="as it came, at most 64 KiB; what is no UTF-8 is replaced")]


class Lesson(Wire):
    """A message that the spam scanner is to learn from."""

    message: Annotated[str, Field(max_length=1_000_000, description="as it came")]
    spam: Annotated[bool, Field(description="whether it is spam")]


class Learned(BaseModel):
    """False: there was nothing to learn of it, or the scanner knew it."""

    learned: bool
