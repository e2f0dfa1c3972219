"""What was learned at the gate comes out of the bus as it went in, also beside a version that learns less."""

from datetime import UTC, datetime

import pytest
from blobstore import BodyReference
from mailmsg.facts import MessageFacts, examine
from mailwire.spool.v1 import spool_pb2 as wire
from spool import EnvelopeRecipient, Source, decode
from spool.codec import encode, facts_to_wire
from spool.envelope import Envelope

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECIPIENT = EnvelopeRecipient("b@here.test", "b@here.test", "a")
ENVELOPE = Envelope(
    queue_id="q",
    tenant_id="t",
    reverse_path="",
    recipients=(RECIPIENT,),
    arrived_at=NOW,
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
FILE = b"Content-Type: application/pdf\r\n\r\n%PDF\r\n"


def through(facts: wire.Facts) -> MessageFacts:
    return decode(encode(ENVELOPE, [RECIPIENT], BodyReference("k", 0, 1, b""), facts)).facts


@pytest.mark.parametrize(
    "message",
    [
        b"List-Id: <birds.example.org>\r\n" + FILE,
        b"Subject: neither\r\n\r\nhi\r\n",
        b"Content-Type: application/pkcs7-mime\r\n\r\nsealed\r\n",
    ],
)
def test_all_that_was_learned_is_there(message: bytes) -> None:
    facts = examine(message)
    assert through(facts_to_wire(facts)) == facts


def test_what_a_version_before_did_not_learn_is_not_known() -> None:
    told = facts_to_wire(examine(b"List-Id: <birds.example.org>\r\n" + FILE))
    told.ClearField("list_id")
    told.ClearField("has_attachments")
    facts = through(told)
    assert facts.list_id is None
    assert facts.has_attachments is None
