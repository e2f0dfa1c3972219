"""What the mta-queue needs of the world."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spool import SpooledLetter

from mta_queue.core.attempt import Attempt, Delivery
from mta_queue.core.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Item:
    """A leased item: the recipients of one message at one domain. `fencing` is the lease's number."""

    letter: SpooledLetter
    payload: bytes
    domain: str
    recipients: tuple[str, ...]
    attempts: int
    expires_at: datetime
    fencing: int
    route: str


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that is due: which recipients of which message failed, or got it where nobody else tells."""

    tenant_id: str
    queue_id: str
    payload: bytes
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Postponed:
    """What the first attempt left to be tried again, at one domain."""

    domain: str
    payload: bytes
    recipients: tuple[str, ...]
    # The last reply to each recipient.
    replies: tuple[str, ...]
    next_attempt_at: datetime
    expires_at: datetime
    last_host: str


class Queue(Protocol):
    """What waits and what is settled. Every method raises pgkit.DatabaseUnavailable."""

    async def known(self, tenant_id: str, queue_id: str) -> set[str]:
        """Recipients of a message that are settled or wait already."""

    async def record_first(
        self,
        letter: SpooledLetter,
        payload: bytes,
        settled: Sequence[Outcome],
        postponed: Sequence[Postponed],
        attempts: Sequence[Attempt],
    ) -> None:
        """What the first attempt came to, in one transaction."""

    async def lease_due(self, limit: int, lease_seconds: float, now: datetime) -> list[Item]:
        """Take items that are due, for so long."""

    async def record_retry(
        self,
        item: Item,
        settled: Sequence[Outcome],
        waiting: Sequence[Outcome],
        next_attempt_at: datetime | None,
        attempts: Sequence[Attempt],
    ) -> bool:
        """What another attempt came to; False when the lease had been lost, and nothing was written."""

    async def notices_due(self, limit: int, older_than: datetime) -> list[Due]:
        """Failures whose notice is not in the spool yet."""

    async def notice_made(self, tenant_id: str, queue_id: str, addresses: Sequence[str]) -> None:
        """It is in the spool, or none is to be made."""

    async def waiting(self) -> int:
        """How many items wait."""


class Quarantine(Protocol):
    """Where a bus message goes that cannot be read."""

    async def put_aside(self, payload: bytes, reason: str) -> None:
        """Keep it for a human. Raises BlobUnavailable."""


class Outbound(Protocol):
    """How a message gets to another system."""

    async def deliver(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...], route: str = ""
    ) -> Delivery:
        """One try for the recipients at one domain; an outcome for each. Raises BlobUnavailable, BlobMissing."""
