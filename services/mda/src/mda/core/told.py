"""Who is told that a message has reached a mailbox (RFC 3461 §5.2.3), and how that notice is called."""

import hashlib

from mailproto.smtp.dsn_request import Notify
from spool import Envelope, EnvelopeRecipient

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def who_asked(envelope: Envelope) -> list[EnvelopeRecipient]:
    """The recipients whose delivery the sender wants to hear of; none where there is nobody to tell."""
    if not envelope.reverse_path:
        return []
    return [recipient for recipient in envelope.recipients if recipient.request.wants(Notify.SUCCESS)]


def notice_queue_id(envelope: Envelope) -> str:
    """The same for the same delivery, so that a notice made twice is delivered once: the message's time, then a digest."""
    addresses = sorted(recipient.address for recipient in who_asked(envelope))
    digest = hashlib.sha256("\0".join(("delivered", envelope.queue_id, *addresses)).encode()).digest()
    return envelope.queue_id[:10] + "".join(ALPHABET[octet & 31] for octet in digest[:16])
