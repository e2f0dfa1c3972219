"""The envelope of one message for one tenant, as services see it (mailwire's generated type stops in codec.py)."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mailproto.smtp.dsn_request import MESSAGE_DEFAULT, RECIPIENT_DEFAULT, MessageRequest, RecipientRequest
from mailproto.smtp.wishes import NO_WISHES, Wishes

from spool.speaker import Handling, Speaker

# No address and no URL has it.
MARK = "<>"


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
    token: str = ""


@dataclass(frozen=True, slots=True)
class OwnCopies:
    """Each recipient gets a copy of its own: MARK in these stands for the recipient's token.

    `fields` stand behind the trace fields. Copies that leave are signed by `signing_domain`, where it has keys.
    """

    reverse_path: str
    fields: bytes = b""
    signing_domain: str = ""

    def reverse_path_of(self, recipient: EnvelopeRecipient) -> str:
        """Where what becomes of this copy comes back."""
        return self.reverse_path.replace(MARK, recipient.token)

    def fields_of(self, recipient: EnvelopeRecipient) -> bytes:
        """What stands in this copy only."""
        return self.fields.replace(MARK.encode(), recipient.token.encode())


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
    own_copies: OwnCopies | None = None

    def reverse_path_of(self, address: str) -> str:
        """Of the copy for a recipient."""
        if self.own_copies is not None:
            for recipient in self.recipients:
                if recipient.address == address and recipient.token:
                    return self.own_copies.reverse_path_of(recipient)
        return self.reverse_path

    @property
    def may_answer_sender(self) -> bool:
        """Whether what becomes of it may be told to its reverse-path; a stranger may have written anybody's there.

        A stranger's reverse-path is believed where SPF, or a DKIM signature of that domain or one above it, spoke for it; where
        the door checked nothing (our users, systems that the operator trusts) as well.
        """
        if not self.reverse_path:
            return False
        return self.speaker is None or self.speaker.vouches_for(self.reverse_path.rpartition("@")[2])

    @property
    def begins_at(self) -> datetime:
        """From when on it is under way: what waits for its release is not late."""
        released_at = self.wishes.release_at
        return self.arrived_at if released_at is None else max(self.arrived_at, released_at)
