"""The one gate in: everything that makes mail goes through `Spool.accept`.

Object to S3, envelope to JetStream, and only then may 250 be said.

Knows: envelopes, how they rest before a message in an object, packing, which
subject a recipient's class goes to. Does not know: who may send, who gets it.
"""

from spool.codec import Malformed, SpooledLetter, decode
from spool.envelope import MARK, Envelope, EnvelopeRecipient, OwnCopies, Source
from spool.gate import NoSuchTenant, OutcomeUnknown, Spool, SpoolUnavailable
from spool.letter import Letter, Recipient
from spool.queue_id import new_queue_id
from spool.record import Record, read_records
from spool.recovery import Findings, Recovery, Span
from spool.speaker import Handling, Signature, Speaker
from spool.unpacking import BusLetter, Unpacking

__all__ = [
    "MARK",
    "BusLetter",
    "Envelope",
    "EnvelopeRecipient",
    "Findings",
    "Handling",
    "Letter",
    "Malformed",
    "NoSuchTenant",
    "OutcomeUnknown",
    "OwnCopies",
    "Recipient",
    "Record",
    "Recovery",
    "Signature",
    "Source",
    "Span",
    "Speaker",
    "Spool",
    "SpoolUnavailable",
    "SpooledLetter",
    "Unpacking",
    "decode",
    "new_queue_id",
    "read_records",
]
