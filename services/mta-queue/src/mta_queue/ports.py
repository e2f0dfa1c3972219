"""What the mta-queue needs of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from spool import Envelope, SpooledLetter

from mta_queue.core.attempt import Attempt, Delivery
from mta_queue.core.outcome import Outcome
from mta_queue.core.rules import Rules
from mta_queue.core.shaping import OPEN, Passage
from mta_queue.core.suppression import Cause, Suppression
from mta_queue.core.turns import Caps, UnderWay


@dataclass(frozen=True, slots=True)
class Item:
    """A leased item: the recipients of one message at one domain. `fencing` is the lease's number."""

    item_id: int
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
class Part:
    """What became of the first recipients of an item whose others are still to come, in `waiting` with them.

    It stays under its lease until `kept_until`; None: it is given back.
    """

    settled: Sequence[Outcome]
    waiting: Sequence[Outcome]
    attempts: Sequence[Attempt]
    kept_until: datetime | None


@dataclass(frozen=True, slots=True)
class Postponed:
    """What the first attempt left to be tried again, at one domain."""

    domain: str
    payload: bytes
    recipients: tuple[str, ...]
    # The last reply to each recipient; "" where it has not been tried.
    replies: tuple[str, ...]
    attempts: int
    next_attempt_at: datetime
    expires_at: datetime
    # When the sender is to be told that it takes longer.
    warn_at: datetime | None
    last_host: str
    # It was not tried because it is not to be delivered before.
    release_at: datetime | None = None


class TakenOver(Enum):
    """Whether it is told with a result that the queue has the message."""

    NOW = "now"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class PutOff:
    """What was not tried at all, at one domain."""

    envelope: Envelope
    postponed: Postponed
    taken: TakenOver = TakenOver.NOW


@dataclass(frozen=True, slots=True)
class Delayed:
    """An item whose sender is to be told that it takes longer. `outcomes` are its recipients' last replies."""

    item_id: int
    tenant_id: str
    queue_id: str
    payload: bytes
    outcomes: tuple[Outcome, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """Items under lease.

    `is_capped`: more is due, of lanes whose destination or tenant has all its places. `is_part`: there may be lanes
    whose turn it is that were not looked at. `last_order` is the number of the operator's last order.
    """

    items: list[Item]
    is_capped: bool
    is_part: bool
    last_order: int


class Lanes(Protocol):
    """What is due, in turns. Every method raises pgkit.DatabaseUnavailable."""

    async def take(
        self, room: int, firsts: UnderWay, caps: Caps, rules: Rules, lease_seconds: float, now: datetime
    ) -> Taken | None:
        """At most `room` items, for so long; None while another process takes. `firsts` have no leases."""

    async def renew(self, items: Sequence[Item], until: datetime) -> None:
        """These are still being worked on; those whose lease was lost are left alone."""

    async def put_back(self, item: Item, until: datetime) -> None:
        """It was not tried, and its lane has no turn before that."""

    async def pause(
        self, domain: str, until: datetime, tenant_id: str = "", but_of: Sequence[str] = ()
    ) -> None:
        """No turns for a destination that does not answer: of this tenant, or of all but those `but_of`."""


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
        taken: TakenOver = TakenOver.NOW,
    ) -> None:
        """What the first attempt, or a part of it, came to, in one transaction."""

    async def put_off(self, untried: Sequence[PutOff]) -> None:
        """What is not tried now, of any tenants, in one transaction."""

    async def record_retry(
        self,
        item: Item,
        settled: Sequence[Outcome],
        waiting: Sequence[Outcome],
        next_attempt_at: datetime | None,
        attempts: Sequence[Attempt],
    ) -> bool:
        """What another attempt came to; False when the lease had been lost, and nothing was written."""

    async def record_part(self, item: Item, part: Part, now: datetime) -> bool:
        """What a part of another attempt came to; False when the lease had been lost, and nothing was written."""

    async def notices_due(self, limit: int, older_than: datetime, skip: int = 0) -> list[Due]:
        """Failures whose notice is not in the spool yet."""

    async def notice_made(self, tenant_id: str, queue_id: str, addresses: Sequence[str]) -> None:
        """It is in the spool, or none is to be made."""

    async def delayed(self, limit: int, now: datetime, again_at: datetime) -> list[Delayed]:
        """Items whose sender is to be told of the delay; this process has until `again_at` to do it."""

    async def warned(self, tenant_id: str, item_id: int) -> None:
        """The sender has been told, or need not be."""

    async def end_holds(self, limit: int, now: datetime) -> int:
        """Items that were held until now: attempts go on. Returns how many."""

    async def give_up_overdue(self, limit: int, expired_before: datetime) -> int:
        """Items that had no turn before their end: failed, with their notices due. Returns how many."""

    async def forget_attempts(self, limit: int, before: datetime) -> int:
        """History that is old enough. Returns how many rows."""

    async def forget_outcomes(self, limit: int, before: datetime) -> int:
        """What was settled so long ago that nobody asks. Returns how many rows."""

    async def waiting(self) -> int:
        """How many items wait."""


class Gate(Protocol):
    """What a destination's site may have (core.shaping). Every method but `leave` raises pgkit.DatabaseUnavailable."""

    async def enter(self, rules: Rules, tenant_id: str, domain: str, route: str = "") -> Passage:
        """Before an attempt. Raises core.shaping.NotNow."""

    def leave(self, passage: Passage) -> None:
        """After it, whatever it came to."""

    async def heard(self, passage: Passage, domain: str, route: str, attempts: Sequence[Attempt]) -> bool:
        """What the replies do to the site; True where it is stopped for them."""


class SuppressionList(Protocol):
    """Addresses that a tenant's mail goes to no more. Every method raises pgkit.DatabaseUnavailable."""

    async def among(self, tenant_id: str, addresses: Sequence[str]) -> Mapping[str, Suppression]:
        """Those of these that are on the list."""

    async def happened(
        self,
        tenant_id: str,
        address: str,
        cause: Cause,
        detail: str,
        queue_id: str,
        expires_at: datetime | None,
    ) -> bool:
        """Put one on it; False where somebody's word stands there."""


class Quarantine(Protocol):
    """Where a bus message goes that cannot be read."""

    async def put_aside(self, payload: bytes, reason: str) -> None:
        """Keep it for a human. Raises BlobUnavailable."""


class Mailboxes(Protocol):
    """How a message that has waited for its release gets to recipients here."""

    async def release(self, letter: SpooledLetter, addresses: Sequence[str]) -> None:
        """Give it to the mda; twice is once. Raises spool.SpoolUnavailable, spool.OutcomeUnknown."""


class Outbound(Protocol):
    """How a message gets to another system."""

    async def deliver(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str = "",
        passage: Passage = OPEN,
    ) -> Delivery:
        """One try for the recipients at one domain; an outcome for each, save those it has left for the next call.

        Raises BlobUnavailable, BlobMissing.
        """

    def forget(self) -> None:
        """Hosts that were away may be there again: somebody has seen to it."""
