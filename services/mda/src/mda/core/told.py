"""Who is told that a message has reached a mailbox (RFC 3461 §5.2.3) or will not, and how that notice is called."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from mailproto.smtp.dsn_request import Notify
from spool import Envelope, EnvelopeRecipient

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a recipient does not get a message: an enhanced status code (RFC 3463) and a sentence.

    `filter_says`: what a script gives as its reason, as it is written there. `is_told`: the sender knows already.
    """

    status: str
    reason: str
    filter_says: str = ""
    is_told: bool = False


OVER_QUOTA = Refusal("5.2.2", "552 5.2.2 The mailbox is full")
KEY_UNUSABLE = Refusal(
    "5.7.5", "550 5.7.5 The recipient wants mail stored encrypted, and the key for it cannot be used any more"
)
# When and why was told at that time.
REFUSED_BEFORE = Refusal("", "", is_told=True)

REASON_MOST = 500


def rejected(reason: str) -> Refusal:
    """By a script that gives this reason (RFC 5429), of which its sender is told where the script runs.

    As a reply the reason stands on one line, where it is ASCII (§2.1.1).
    """
    said = " ".join(reason.split())[:REASON_MOST]
    if not said.isascii() or not said.isprintable():
        said = "Refused by the recipient's mail filter"
    return Refusal("5.7.1", f"550 5.7.1 {said}", filter_says=reason, is_told=True)


def who_asked(envelope: Envelope, notify: Notify = Notify.SUCCESS) -> list[EnvelopeRecipient]:
    """The recipients of whose delivery, or failure, the sender wants to hear; none where there is nobody to tell."""
    if not envelope.may_answer_sender:
        return []
    return [recipient for recipient in envelope.recipients if recipient.request.wants(notify)]


def notice_queue_id(envelope: Envelope, kind: str, recipients: Iterable[EnvelopeRecipient]) -> str:
    """The same for the same notice, so that one made twice is delivered once: the message's time, then a digest."""
    addresses = sorted(recipient.address for recipient in recipients)
    digest = hashlib.sha256("\0".join((kind, envelope.queue_id, *addresses)).encode()).digest()
    return envelope.queue_id[:10] + "".join(ALPHABET[octet & 31] for octet in digest[:16])
