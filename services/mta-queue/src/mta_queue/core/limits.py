"""When one message's time is over, and when its sender is told: the schedule's moments, and the sender's (RFC 2852).

Both count from the moment that it may be delivered: who waits for a release is not late.
"""

from dataclasses import dataclass
from datetime import datetime

from mailproto.smtp.reply import Reply
from mailproto.smtp.wishes import ByMode
from spool import Envelope

from mta_queue.core.schedule import Schedule

# RFC 3463 X.4.7
TOO_LATE = Reply.of(554, "5.4.7", "It could not be delivered in the time that its sender set")


@dataclass(frozen=True, slots=True)
class Limits:
    """`warn_at` is None where the sender is not warned."""

    expires_at: datetime
    warn_at: datetime | None


def limits_of(schedule: Schedule, envelope: Envelope) -> Limits:
    """What holds for this message."""
    expires_at = schedule.expires_at(envelope.begins_at)
    warn_at = schedule.warn_at(envelope.begins_at)
    by = envelope.wishes.deliver_by
    if by is not None and by.mode is ByMode.NOTIFY:
        warn_at = by.at
    if by is not None and by.mode is ByMode.RETURN:
        expires_at = min(expires_at, by.at)
    return Limits(expires_at, warn_at if warn_at is not None and warn_at < expires_at else None)


def is_too_late(envelope: Envelope, now: datetime) -> bool:
    """Whether the sender does not want it delivered any more."""
    by = envelope.wishes.deliver_by
    return by is not None and by.mode is ByMode.RETURN and now >= by.at
