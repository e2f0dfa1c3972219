"""Commands of a client, parsed."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.mailbox_options import ListReturn, ListSelect, StatusItem
from mailproto.imap.message_set import MessageSet
from mailproto.imap.notify_events import EventGroup, Source
from mailproto.imap.reader import Sink
from mailproto.imap.search_keys import SearchKey
from mailproto.imap.search_returns import Partial, SearchReturns
from mailproto.imap.sort_keys import SortCriterion, ThreadAlgorithm


class Plain(Enum):
    """Commands without arguments."""

    CAPABILITY = "CAPABILITY"
    NOOP = "NOOP"
    LOGOUT = "LOGOUT"
    STARTTLS = "STARTTLS"
    CHECK = "CHECK"
    CLOSE = "CLOSE"
    UNSELECT = "UNSELECT"
    EXPUNGE = "EXPUNGE"
    IDLE = "IDLE"
    NAMESPACE = "NAMESPACE"
    UNAUTHENTICATE = "UNAUTHENTICATE"


class By(Enum):
    """Whether numbers are sequence numbers or UIDs, in a command and in its answer."""

    SEQUENCE = "sequence"
    UID = "uid"


@dataclass(frozen=True, slots=True)
class Login:
    login: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.login!r}, ...)"


@dataclass(frozen=True, slots=True)
class Authenticate:
    """`initial` is still base64; None where the client gave none."""

    mechanism: bytes
    initial: bytes | None


class Access(Enum):
    """SELECT or EXAMINE."""

    READ_WRITE = "SELECT"
    READ_ONLY = "EXAMINE"


@dataclass(frozen=True, slots=True)
class Resync:
    """QRESYNC's arguments (RFC 7162 §3.2.5): what the client knows. `pairs` are numbers and UIDs, in parallel."""

    uid_validity: int
    modseq: int
    known_uids: MessageSet | None
    pairs: tuple[MessageSet, MessageSet] | None


@dataclass(frozen=True, slots=True)
class Select:
    mailbox: str
    access: Access
    wants_modseqs: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """`special_use` holds attributes as the client wrote them (RFC 6154 §3)."""

    mailbox: str
    special_use: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Delete:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    mailbox: str


@dataclass(frozen=True, slots=True)
class List:
    """`is_extended`: options, several patterns or RETURN were written, be they empty (RFC 5258 §3)."""

    reference: str
    patterns: tuple[str, ...]
    selects: frozenset[ListSelect] = frozenset()
    returns: frozenset[ListReturn] = frozenset()
    status: tuple[StatusItem, ...] = ()
    # Annotations to be told (RFC 9590).
    metadata: tuple[str, ...] = ()
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub:
    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Status:
    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class Url:
    """Where a part of a message is to be had (RFC 5092), as the client wrote it."""

    url: str


@dataclass(frozen=True, slots=True)
class Catenated:
    """A message from parts (RFC 4469)."""

    parts: tuple[bytes | Sink | Url, ...]


@dataclass(frozen=True, slots=True)
class NewText:
    """A message to be kept. `is_binary`: written as a literal8 (RFC 3516 §4.4). Long literals are kept apart."""

    flags: tuple[str, ...]
    internal_date: datetime | None
    content: bytes | Sink | Catenated
    is_binary: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """One message or several (RFC 3502)."""

    mailbox: str
    messages: tuple[NewText, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """One message in place of another (RFC 8508); `number` is one number or `*`."""

    number: MessageSet
    mailbox: str
    text: NewText
    by: By


@dataclass(frozen=True, slots=True)
class UidExpunge:
    uids: MessageSet


@dataclass(frozen=True, slots=True)
class Search:
    """`returns` is None where the client wrote no RETURN."""

    key: SearchKey
    by: By
    returns: SearchReturns | None = None


@dataclass(frozen=True, slots=True)
class MultiSearch:
    """ESEARCH (RFC 7377): a UID SEARCH of several mailboxes."""

    sources: tuple[Source, ...]
    key: SearchKey
    returns: SearchReturns | None


@dataclass(frozen=True, slots=True)
class Sort:
    """`returns` is None where the client wrote no RETURN (RFC 5267 §3)."""

    criteria: tuple[SortCriterion, ...]
    key: SearchKey
    by: By
    returns: SearchReturns | None = None


@dataclass(frozen=True, slots=True)
class CancelUpdate:
    """Results that are not to be kept up to date any more, by the tags of their searches (RFC 5267 §4.3.5)."""

    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thread:
    algorithm: ThreadAlgorithm
    key: SearchKey
    by: By


@dataclass(frozen=True, slots=True)
class Fetch:
    """`vanished` only with `changed_since` (RFC 7162 §3.2.6)."""

    numbers: MessageSet
    items: tuple[FetchItem, ...]
    by: By
    partial: Partial | None = None
    changed_since: int | None = None
    vanished: bool = False


class StoreAction(Enum):
    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


class Echo(Enum):
    """Whether STORE tells the new flags."""

    TELL = "tell"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Store:
    numbers: MessageSet
    action: StoreAction
    echo: Echo
    flags: tuple[str, ...]
    by: By
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    numbers: MessageSet
    mailbox: str
    by: By


@dataclass(frozen=True, slots=True)
class Move:
    numbers: MessageSet
    mailbox: str
    by: By


@dataclass(frozen=True, slots=True)
class Id:
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Language:
    """Language ranges, the one that is wanted most first; none: which there are (RFC 5255 §3.2)."""

    ranges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enable:
    capabilities: tuple[str, ...]


class TellStatus(Enum):
    """Whether NOTIFY tells how the watched mailboxes are now."""

    YES = "STATUS"
    NO = ""


@dataclass(frozen=True, slots=True)
class Notify:
    """Without groups: NOTIFY NONE."""

    groups: tuple[EventGroup, ...]
    status: TellStatus


class Depth(Enum):
    """How far below an entry GETMETADATA looks (RFC 5464 §4.2.2)."""

    ENTRY = "0"
    CHILDREN = "1"
    ALL = "infinity"


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """`mailbox` is "" for the server; entry names are in lower case."""

    mailbox: str
    entries: tuple[str, ...]
    depth: Depth = Depth.ENTRY
    largest_octets: int | None = None


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """None removes an entry."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class ResetKey:
    """Without a mailbox: of all (RFC 4467 §7). Names of mechanisms are in upper case."""

    mailbox: str | None
    mechanisms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RumpUrl:
    """A URL that is to be signed, and how."""

    url: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class GenUrlAuth:
    urls: tuple[RumpUrl, ...]


class UrlItem(Enum):
    """What is told of a URL's part (RFC 5524 §3.1)."""

    BODY = "BODY"
    BINARY = "BINARY"
    STRUCTURE = "BODYPARTSTRUCTURE"


@dataclass(frozen=True, slots=True)
class WantedUrl:
    """Without items: the octets, in the answer's short form."""

    url: str
    items: tuple[UrlItem, ...] = ()


@dataclass(frozen=True, slots=True)
class UrlFetch:
    urls: tuple[WantedUrl, ...]


@dataclass(frozen=True, slots=True)
class GetQuota:
    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    mailbox: str


@dataclass(frozen=True, slots=True)
class SetAcl:
    """`modification`: letters, perhaps after `+` or `-` (RFC 4314 §3.1)."""

    mailbox: str
    identifier: str
    modification: str


@dataclass(frozen=True, slots=True)
class DeleteAcl:
    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class GetAcl:
    mailbox: str


@dataclass(frozen=True, slots=True)
class ListRights:
    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights:
    mailbox: str


@dataclass(frozen=True, slots=True)
class Compress:
    """`algorithm` is in upper case (RFC 4978)."""

    algorithm: str


Command = (
    Plain
    | Login
    | Authenticate
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | List
    | Lsub
    | Status
    | Append
    | Replace
    | UidExpunge
    | Search
    | MultiSearch
    | Sort
    | CancelUpdate
    | Thread
    | Fetch
    | Store
    | Copy
    | Move
    | Id
    | Enable
    | Language
    | Compress
    | ResetKey
    | GenUrlAuth
    | UrlFetch
    | GetQuota
    | GetQuotaRoot
    | SetAcl
    | DeleteAcl
    | GetAcl
    | ListRights
    | MyRights
    | GetMetadata
    | Notify
    | SetMetadata
)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A command with the tag that its answer bears."""

    tag: str
    command: Command
