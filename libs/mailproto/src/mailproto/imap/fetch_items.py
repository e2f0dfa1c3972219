"""What FETCH can ask for (RFC 3501 §6.4.5, RFC 9051 §6.4.5)."""

from dataclasses import dataclass
from enum import Enum


class Attribute(Enum):
    """Items without arguments."""

    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    UID = "UID"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    THREADID = "THREADID"
    SAVEDATE = "SAVEDATE"
    PREVIEW = "PREVIEW"
    LAZY_PREVIEW = "PREVIEW (LAZY)"

    # A member is one of a kind; the hash of its name, which an Enum has, is made anew each time.
    __hash__ = object.__hash__


class Text(Enum):
    """What of a part is meant."""

    ALL = ""
    HEADER = "HEADER"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"

    # As `Attribute` has it.
    __hash__ = object.__hash__


class Seen(Enum):
    """Whether fetching marks the message as seen."""

    MARK = "mark"
    PEEK = "peek"

    # As `Attribute` has it.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[...]<...>, and RFC822 and its kin. `label` is how the answer names it, without a partial."""

    part: tuple[int, ...]
    text: Text
    fields: tuple[bytes, ...]
    # (first octet, octets at most)
    partial: tuple[int, int] | None
    seen: Seen
    label: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """BINARY[...]<...>: a part without its transfer encoding (RFC 3516 §4.2). `label` as with Section."""

    part: tuple[int, ...]
    partial: tuple[int, int] | None
    seen: Seen
    label: bytes


@dataclass(frozen=True, slots=True)
class BinarySize:
    """BINARY.SIZE[...]: how many octets BINARY[...] has."""

    part: tuple[int, ...]
    label: bytes


FetchItem = Attribute | Section | Binary | BinarySize

ALL = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE, Attribute.ENVELOPE)
FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE)
FULL = (*ALL, Attribute.BODY)
MACROS: dict[bytes, tuple[FetchItem, ...]] = {b"ALL": ALL, b"FAST": FAST, b"FULL": FULL}
RFC822: dict[bytes, Section] = {
    b"RFC822": Section((), Text.ALL, (), None, Seen.MARK, b"RFC822"),
    b"RFC822.HEADER": Section((), Text.HEADER, (), None, Seen.PEEK, b"RFC822.HEADER"),
    b"RFC822.TEXT": Section((), Text.TEXT, (), None, Seen.MARK, b"RFC822.TEXT"),
}
