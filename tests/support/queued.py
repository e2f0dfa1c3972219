"""Letters as they travel on the bus to the mta-queue."""

from datetime import UTC, datetime
from uuid import uuid4

from blobstore import BodyReference
from mailmsg.facts import examine
from spool import Envelope, EnvelopeRecipient, Source, SpooledLetter, new_queue_id
from spool.codec import encode, facts_to_wire


def letter(
    *recipients: str, reverse_path: str = "from@ours.test", tenant_id: str = ""
) -> tuple[SpooledLetter, bytes]:
    """One that arrived now, and its payload. Its body is nowhere."""
    envelope = Envelope(
        queue_id=new_queue_id(),
        tenant_id=tenant_id or str(uuid4()),
        reverse_path=reverse_path,
        recipients=tuple(EnvelopeRecipient(each, each, None) for each in recipients),
        arrived_at=datetime.now(UTC),
        digest=b"",
        size_octets=1,
        trace_prefix=b"",
        source=Source.MX,
        helo="",
        client_address="",
        sender_account_id="",
        smtputf8=False,
        eight_bit=False,
    )
    body = BodyReference("k", 0, 1, b"")
    facts = examine(b"x")
    return SpooledLetter(envelope, body, facts), encode(
        envelope, envelope.recipients, body, facts_to_wire(facts)
    )
