"""From an accepted message to the deliveries it asks for."""

from mailmodel import AccountRef, Flags, SystemFlag
from mailstore import Delivery, NewMessage
from spool import SpooledLetter

from mda.core.trace import delivery_prefix

INBOX = "INBOX"


def plan(letter: SpooledLetter) -> list[Delivery]:
    """One delivery for each local recipient, in the order of the envelope. Raises ValueError on what cannot be filed."""
    envelope = letter.envelope
    deliveries = []
    for recipient in envelope.recipients:
        if recipient.account_id is None:
            raise ValueError("a remote recipient on the local road")
        deliveries.append(
            Delivery(
                account=AccountRef(envelope.tenant_id, recipient.account_id),
                queue_id=envelope.queue_id,
                recipient=recipient.address,
                mailbox_name=INBOX,
                new=NewMessage(
                    body=letter.body,
                    prefix=delivery_prefix(envelope.reverse_path, recipient.address, envelope.trace_prefix),
                    facts=letter.facts,
                    internal_date=envelope.arrived_at,
                    flags=Flags(SystemFlag(0), frozenset()),
                ),
            )
        )
    return deliveries
