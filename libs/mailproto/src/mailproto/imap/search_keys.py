"""What SEARCH can ask for (RFC 3501 §6.4.4)."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from mailproto.imap.message_set import MessageSet


class FlagKey(Enum):
    """Keys about system flags: (bit of the flag, wanted)."""

    ANSWERED = (2, True)
    DELETED = (8, True)
    DRAFT = (16, True)
    FLAGGED = (4, True)
    SEEN = (1, True)
    UNANSWERED = (2, False)
    UNDELETED = (8, False)
    UNDRAFT = (16, False)
    UNFLAGGED = (4, False)
    UNSEEN = (1, False)


class PlainKey(Enum):
    """Keys without an argument that are not about one flag."""

    ALL = "ALL"
    NEW = "NEW"
    OLD = "OLD"
    RECENT = "RECENT"
    # All, where it is kept when a message was saved (RFC 8514 §4.3); here it always is.
    SAVEDATESUPPORTED = "SAVEDATESUPPORTED"


@dataclass(frozen=True, slots=True)
class KeywordKey:
    keyword: str
    wanted: bool


class When(Enum):
    """How a date is compared."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class DateKey:
    """The internal date, without time and zone."""

    when: When
    day: date


@dataclass(frozen=True, slots=True)
class SentKey:
    """The Date header, without time and zone."""

    when: When
    day: date


@dataclass(frozen=True, slots=True)
class SavedKey:
    """When the message was saved in this mailbox, without time and zone (RFC 8514)."""

    when: When
    day: date


class ObjectKind(Enum):
    """What an object id names (RFC 8474 §6)."""

    EMAIL = "EMAILID"
    THREAD = "THREADID"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    kind: ObjectKind
    object_id: str


@dataclass(frozen=True, slots=True)
class SizeKey:
    """`larger`: strictly larger than; else strictly smaller."""

    octets: int
    larger: bool


@dataclass(frozen=True, slots=True)
class ModseqKey:
    """The MODSEQ is this or a higher one (RFC 7162 §3.1.5); that of one flag alone is not kept."""

    modseq: int


@dataclass(frozen=True, slots=True)
class WithinKey:
    """The internal date lies within so many seconds before now, or earlier (RFC 5032)."""

    seconds: int
    younger: bool


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A field holds a text; an empty text: the field is there. `fuzzy`: or something like it (RFC 6203)."""

    name: bytes
    text: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class BodyKey:
    """The body holds a text."""

    text: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class TextKey:
    """Header or body hold a text."""

    text: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class FilterKey:
    """A search that is kept by this name (RFC 5466)."""

    name: str


@dataclass(frozen=True, slots=True)
class SequenceKey:
    numbers: MessageSet


@dataclass(frozen=True, slots=True)
class UidKey:
    uids: MessageSet


@dataclass(frozen=True, slots=True)
class NotKey:
    key: "SearchKey"


@dataclass(frozen=True, slots=True)
class OrKey:
    either: "SearchKey"
    other: "SearchKey"


@dataclass(frozen=True, slots=True)
class AndKey:
    keys: "tuple[SearchKey, ...]"


SearchKey = (
    FlagKey
    | PlainKey
    | KeywordKey
    | DateKey
    | SentKey
    | SavedKey
    | ObjectKey
    | SizeKey
    | WithinKey
    | ModseqKey
    | HeaderKey
    | BodyKey
    | TextKey
    | SequenceKey
    | UidKey
    | FilterKey
    | NotKey
    | OrKey
    | AndKey
)


def asks_sequence(key: SearchKey) -> bool:
    """Whether sequence numbers are anywhere in it (RFC 9586 §3)."""
    match key:
        case SequenceKey():
            return not key.numbers.is_saved
        case NotKey():
            return asks_sequence(key.key)
        case OrKey():
            return asks_sequence(key.either) or asks_sequence(key.other)
        case AndKey():
            return any(asks_sequence(each) for each in key.keys)
        case _:
            return False


def asks_filter(key: SearchKey) -> bool:
    """Whether a filter is anywhere in it."""
    match key:
        case FilterKey():
            return True
        case NotKey():
            return asks_filter(key.key)
        case OrKey():
            return asks_filter(key.either) or asks_filter(key.other)
        case AndKey():
            return any(asks_filter(each) for each in key.keys)
        case _:
            return False


def asks_modseq(key: SearchKey) -> bool:
    """Whether MODSEQ is anywhere in it: then the answer tells the highest (RFC 7162 §3.1.6)."""
    match key:
        case ModseqKey():
            return True
        case NotKey():
            return asks_modseq(key.key)
        case OrKey():
            return asks_modseq(key.either) or asks_modseq(key.other)
        case AndKey():
            return any(asks_modseq(each) for each in key.keys)
        case _:
            return False
