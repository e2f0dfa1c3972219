"""The envelope of one message for one tenant, as services see it (mailwire's generated type stops in codec.py)."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mailproto.smtp.dsn_request import MESSAGE_DEFAULT, RECIPIENT_DEFAULT, MessageRequest, RecipientRequest
from mailproto.smtp.wishes import NO_WISHES, Wishes

from spool.speaker import Handling, Speaker


class Source(Enum):
    """Which door a message came through."""

    MX = 1
    SUBMISSION = 2
    DSN = 3
    SIEVE = 4


@dataclass(frozen=True, slots=True)
class EnvelopeRecipient:
    """One recipient; `account_id` is None for a remote address. `request`: what the sender wants to be told."""

    address: str
    original_address: str
    account_id: str | None
    request: RecipientRequest = RECIPIENT_DEFAULT


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent what to whom, when, and how it came in.

    `digest` is the SHA-256 of the message as received, `size_octets` its length;
    `trace_prefix` stands before it wherever it is shown or sent on. `speaker` is None
    where the door checked nothing.
    """

    queue_id: str
    tenant_id: str
    reverse_path: str
    recipients: tuple[EnvelopeRecipient, ...]
    arrived_at: datetime
    digest: bytes
    size_octets: int
    trace_prefix: bytes
    source: Source
    helo: str
    client_address: str
    sender_account_id: str
    smtputf8: bool
    eight_bit: bool
    binary: bool = False
    request: MessageRequest = MESSAGE_DEFAULT
    speaker: Speaker | None = None
    handling: Handling = Handling.USUAL
    wishes: Wishes = NO_WISHES

    @property
    def begins_at(self) -> datetime:
        """From when on it is under way: what waits for its release is not late."""
        released_at = self.wishes.release_at
        return self.arrived_at if released_at is None else max(self.arrived_at, released_at)
