"""What one attempt was: which host, how long, what it said. Kept so that a message's way can be explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailproto.smtp.reply import Reply

from mta_queue.core.outcome import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Attempt:
    """One session with one address, or a try that got to none (`host` and `address` are "" then).

    `tls` is the protocol version ("TLSv1.3"), "" in clear. `reply` is the one that decided: the first that was
    no success where there was one. The counts are recipients.
    """

    domain: str
    started_at: datetime
    duration_seconds: float
    host: str
    address: str
    tls: str
    reply: Reply
    delivered: int
    deferred: int
    failed: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the recipients, and the attempts it took.

    `rest` are recipients that were not asked for yet: what became of the others is to be written down first.
    """

    outcomes: list[Outcome]
    attempts: list[Attempt]
    # None of the destination's hosts is there; nothing of it is tried before.
    dead_until: datetime | None = None
    rest: tuple[str, ...] = ()


def attempt_of(
    domain: str,
    started_at: datetime,
    duration_seconds: float,
    address: str,
    tls: str,
    outcomes: Sequence[Outcome],
) -> Attempt:
    """The record of an attempt that ended so for these recipients (at least one)."""
    decided = next((each for each in outcomes if each.verdict is not Verdict.DELIVERED), outcomes[0])
    verdicts = [each.verdict for each in outcomes]
    return Attempt(
        domain=domain,
        started_at=started_at,
        duration_seconds=duration_seconds,
        host=decided.host,
        address=address,
        tls=tls,
        reply=decided.reply,
        delivered=verdicts.count(Verdict.DELIVERED),
        deferred=verdicts.count(Verdict.DEFERRED),
        failed=verdicts.count(Verdict.FAILED),
    )
