"""Messages that are to be delivered by a time (RFC 2852), at their mailbox: what is late is sent back, or told of.

The mta-queue has the same rule for what goes on to others (`mta_queue.core.limits`).
"""

from datetime import datetime

from mailproto.smtp.dsn_request import Notify
from mailproto.smtp.wishes import ByMode
from spool import Envelope, EnvelopeRecipient

from mda.core.told import Refusal

TOO_LATE = Refusal("5.4.7", "554 5.4.7 It could not be delivered in the time that its sender set")


def is_too_late(envelope: Envelope, now: datetime) -> bool:
    """Whether its sender does not want it delivered any more."""
    by = envelope.wishes.deliver_by
    return by is not None and by.mode is ByMode.RETURN and now >= by.at


def is_late(envelope: Envelope, now: datetime) -> bool:
    """Whether its sender wants to hear that it takes longer."""
    by = envelope.wishes.deliver_by
    return by is not None and by.mode is ByMode.NOTIFY and now >= by.at


def who_waits(envelope: Envelope) -> list[EnvelopeRecipient]:
    """The recipients of whose delay the sender is told: who set a time is, if not NEVER was said."""
    if not envelope.may_answer_sender:
        return []
    return [each for each in envelope.recipients if each.request.notify is not Notify.NEVER]
