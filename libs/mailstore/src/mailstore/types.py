"""What goes into and comes out of the mail store."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntFlag
from typing import NamedTuple, Protocol
from uuid import UUID

from blobstore import BodyReference
from mailmodel import AccountRef, Entry, Flags, MailboxInfo, SystemFlag
from mailmodel.thread_id import thread_id
from mailmsg.facts import MessageFacts


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be filed. A reader sees `prefix` and then the body; facts are those of the body."""

    body: BodyReference
    prefix: bytes
    facts: MessageFacts
    internal_date: datetime
    flags: Flags
    # Where `facts` are sealed (sealed_facts): the header itself, which says to which conversation it belongs.
    thread_header: bytes | None = None

    @property
    def size_octets(self) -> int:
        """RFC822.SIZE."""
        return len(self.prefix) + self.body.length

    def thread_id(self, own: bytes) -> bytes:
        """Which conversation it belongs to; `own` is its message id."""
        return thread_id(self.facts.header if self.thread_header is None else self.thread_header, own)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for one recipient; (queue_id, recipient) is filed once per account, however often it comes.

    `new` is None where nothing is to be filed (a script discarded it): it only counts as settled.
    """

    account: AccountRef
    queue_id: str
    recipient: str
    mailbox_name: str
    new: NewMessage | None
    # It comes from us and is small: it may go a little beyond the quota.
    is_notice: bool = False
    # The status (RFC 3463) with which it was refused, where it is settled so.
    refused: str | None = None


class Outcome(Enum):
    """What became of a delivery."""

    FILED = "filed"
    # It was filed (or settled) before.
    REPEATED = "repeated"
    # It was refused before.
    REFUSED = "refused"
    # There was no room; it is not settled.
    OVER_QUOTA = "over quota"


@dataclass(frozen=True, slots=True)
class MailboxChange:
    """Told after a commit. `mailbox_id` is 0 where the list of mailboxes changed. `keys`: just the account's own key of the
    mailbox (0: of all) was renewed.
    """

    account: AccountRef
    mailbox_id: int
    highest_modseq: int
    keys: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A mailbox at one moment, as columns: message n has uids[n], modseqs[n], system_flags[n].

    `keywords` has those UIDs only that have any. Messages from `recent_from_uid` on are \\Recent to this session.
    """

    info: MailboxInfo
    uids: list[int]
    modseqs: list[int]
    system_flags: list[int]
    keywords: dict[int, frozenset[str]]
    recent_from_uid: int

    @property
    def entries(self) -> list[Entry]:
        """The same as entries, by UID."""
        nothing: frozenset[str] = frozenset()
        return [
            Entry(uid, modseq, Flags(SystemFlag(system), self.keywords.get(uid, nothing)))
            for uid, modseq, system in zip(self.uids, self.modseqs, self.system_flags, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class EntryCounts:
    """What no counter of a mailbox holds: \\Recent messages, those with \\Deleted and their octets."""

    recent: int
    deleted: int
    deleted_octets: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a MODSEQ: new and changed entries by UID, expunged UIDs. `gone`: the mailbox was deleted."""

    changed: list[Entry]
    expunged: list[int]
    highest_modseq: int
    uid_next: int
    gone: bool


class SortedAs(Enum):
    """What the owner of messages takes them for."""

    SPAM = "spam"
    HAM = "ham"


@dataclass(frozen=True, slots=True)
class Sorted:
    """Messages that their owner has put into Junk or taken out of it, or has said the same of by a keyword."""

    account: AccountRef
    mailbox_id: int
    uids: tuple[int, ...]
    sorted_as: SortedAs


class Columns(IntFlag):
    """What `fetch` reads of each message; UID, date, size and flags always come."""

    ENVELOPE = 1
    STRUCTURE = 2
    HEADER = 4
    # What `read` needs: prefix, body reference, part index.
    BODY = 8
    SENT = 16
    THREAD = 32
    # Which list sent it, and whether it has attachments.
    KIND = 64


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a mailbox. Columns that were not asked for are empty."""

    uid: int
    modseq: int
    flags: Flags
    internal_date: datetime
    size_octets: int
    message_id: str
    prefix: bytes = b""
    header: bytes = b""
    header_octets: int = 0
    envelope: bytes = b""
    bodystructure: bytes = b""
    body: bytes = b""
    parts: bytes = b""
    sent_at: datetime | None = None
    reference: BodyReference | None = None
    # When it came into this mailbox; always read.
    saved_at: datetime | None = None
    # mailmodel.thread_id
    thread_id: bytes = b""
    # As in mailmsg.facts; None where it is not known.
    list_id: bytes | None = None
    has_attachments: bool | None = None


class BodyPlace(NamedTuple):
    """Where the octets of one message are, and nothing else of it."""

    uid: int
    size_octets: int
    message_id: UUID
    prefix: bytes
    reference: BodyReference


class Readable(Protocol):
    """What `read` and `read_whole` need of a message; a `StoredMessage` has it with Columns.BODY."""

    @property
    def size_octets(self) -> int:
        """RFC822.SIZE."""

    @property
    def message_id(self) -> object:
        """As it is told of."""

    @property
    def prefix(self) -> bytes:
        """What comes before the body."""

    @property
    def reference(self) -> BodyReference | None:
        """Where the body is."""


@dataclass(frozen=True, slots=True)
class FlagOutcome:
    """After a STORE: entries as they are now, changed or not; UIDs whose MODSEQ was too high, untouched.

    The mailbox's MODSEQ just before and after it: nothing else happened in between. 0: not known.
    """

    entries: list[Entry]
    modified: list[int]
    modseq_before: int = 0
    modseq_after: int = 0


@dataclass(frozen=True, slots=True)
class FlagLimits:
    """Which flags somebody may change in a mailbox: system flags as bits, and whether keywords."""

    system: SystemFlag
    keywords: bool

    def kept(self, before: Flags, after: Flags) -> Flags:
        """After a change, of which only what is allowed happens."""
        return Flags(
            (after.system & self.system) | (before.system & ~self.system),
            after.keywords if self.keywords else before.keywords,
        )


@dataclass(frozen=True, slots=True)
class Side:
    """A mailbox that messages come from or go to. `reader_id` is who does it where the mailbox is another's, else "".

    `limits` counts where they go to: other flags do not come along.
    """

    owner: AccountRef
    mailbox_id: int
    reader_id: str = ""
    limits: FlagLimits | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """For COPYUID (RFC 4315 §3): the target's UIDVALIDITY and (source UID, target UID) pairs.

    `sorted_as`: what their owner says of the messages by where they went; None: nothing.
    """

    uid_validity: int
    pairs: list[tuple[int, int]]
    sorted_as: "SortedAs | None" = None
