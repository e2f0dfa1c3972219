"""What a door hands to the gate."""

from dataclasses import dataclass
from datetime import datetime

from mailproto.smtp.dsn_request import MESSAGE_DEFAULT, RECIPIENT_DEFAULT, MessageRequest, RecipientRequest
from mailproto.smtp.wishes import NO_WISHES, Wishes

from spool.envelope import OwnCopies, Source
from spool.speaker import Speaker


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient as the directory resolved it; `account_id` is None for a remote address.

    `tenant_id` is the account's tenant, or for a remote address the tenant that sends.
    """

    address: str
    original_address: str
    tenant_id: str
    account_id: str | None
    request: RecipientRequest = RECIPIENT_DEFAULT
    token: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its envelope, as accepted from one client.

    `content` is the message exactly as received; `trace_prefix` the trace fields
    that the door made (Received ...), each ended by CRLF. `added_fields` are fields
    that the message lacked (Date, Message-ID): they stand after the trace fields and
    count as the message's own where its header is described. For recipients of
    `quarantined_tenants` it is filed where junk goes.
    """

    queue_id: str
    reverse_path: str
    recipients: tuple[Recipient, ...]
    content: bytes
    trace_prefix: bytes
    source: Source
    arrived_at: datetime
    helo: str = ""
    client_address: str = ""
    sender_account_id: str = ""
    smtputf8: bool = False
    eight_bit: bool = False
    binary: bool = False
    request: MessageRequest = MESSAGE_DEFAULT
    added_fields: bytes = b""
    speaker: Speaker | None = None
    quarantined_tenants: frozenset[str] = frozenset()
    wishes: Wishes = NO_WISHES
    own_copies: OwnCopies | None = None
