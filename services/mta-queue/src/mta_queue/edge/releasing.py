"""What is not sent to another system when its moment comes: what is for somebody here, and what comes too late.

A message that waits for its release waits here, whoever gets it (RFC 4865); then the mda has its recipients of ours.
What becomes of them is the mda's business: nothing is settled here, so a respool looks for them in the mailboxes.
"""

from datetime import UTC, datetime

from mailproto.smtp.reply import Reply
from servicekit import logs
from spool import OutcomeUnknown, SpooledLetter, SpoolUnavailable

from mta_queue.core.attempt import Delivery, attempt_of
from mta_queue.core.limits import TOO_LATE, is_too_late
from mta_queue.core.outcome import all_alike
from mta_queue.ports import Mailboxes

LOG = logs.logger("mta_queue.releasing")
RELEASED = Reply.of(250, "2.0.0", "Released to delivery here")
OTHERS_FIRST = Reply.of(451, "4.3.0", "It was released to others of this domain first")


class Releasing:
    """Asked before a message is sent."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def instead(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...]
    ) -> Delivery | None:
        """What came of it instead of an attempt; None where it is to be sent."""
        envelope, now = letter.envelope, datetime.now(UTC)
        if is_too_late(envelope, now):
            fate = all_alike(recipients, TOO_LATE)
            return Delivery(fate, [attempt_of(domain, now, 0.0, "", "", fate)])
        if envelope.wishes.release_at is None:
            return None
        ours = {each.address for each in envelope.recipients if each.account_id is not None}
        local = tuple(each for each in recipients if each in ours)
        if not local:
            return None
        others = all_alike(tuple(each for each in recipients if each not in ours), OTHERS_FIRST)
        try:
            await self._mailboxes.release(letter, local)
        except (SpoolUnavailable, OutcomeUnknown) as error:
            reply = Reply.of(451, "4.3.0", f"It cannot be given to delivery here now: {error}")
            waiting = all_alike(local, reply)
            return Delivery([*waiting, *others], [attempt_of(domain, now, 0.0, "", "", waiting)])
        LOG.info("message_released", queue_id=envelope.queue_id, recipients=len(local))
        return Delivery(others, [attempt_of(domain, now, 0.0, "", "", all_alike(local, RELEASED))])
