"""Whether a message matches a search, as far as is known (RFC 3501 §6.4.4).

A key is True, False, or None while what it asks about has not been read. So the
cheap keys are asked of all messages first, and only those that are still None are
read further: flags and numbers from the view, then columns, then bodies.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import assert_never

from mailmodel import SystemFlag
from mailmodel.collation import casemap
from mailmodel.view import SessionView
from mailmsg.header import fields, unfold
from mailmsg.words import decode_words
from mailproto.imap.message_set import Spans
from mailproto.imap.search_keys import (
    AndKey,
    BodyKey,
    DateKey,
    FilterKey,
    FlagKey,
    HeaderKey,
    KeywordKey,
    ModseqKey,
    NotKey,
    ObjectKey,
    ObjectKind,
    OrKey,
    PlainKey,
    SavedKey,
    SearchKey,
    SentKey,
    SequenceKey,
    SizeKey,
    TextKey,
    UidKey,
    When,
    WithinKey,
)
from mailstore import Columns, StoredMessage

from imap.core.envelopes import sent_day
from imap.core.object_ids import email_object, thread_object

# From this score on FUZZY takes a message.
SIMILAR = 0.5


class Context:
    """What a search is asked in: what its sets of numbers mean, and what time it is."""

    def __init__(
        self, view: SessionView, saved: Iterable[int], now: datetime, *, by_words: bool = False
    ) -> None:
        self.now = now
        # Bodies are asked for words: PostgreSQL says whether one has them, never a look at its text.
        self.by_words = by_words
        self._view = view
        self._saved = frozenset(saved)
        # UIDs of those that have what a key asks for, where that is known of all messages.
        self.decided: dict[SearchKey, frozenset[int]] = {}
        # By the key's identity: a set may have thousands of ranges.
        self._sets: dict[int, Spans] = {}

    def holds(self, key: "SequenceKey | UidKey", candidate: "Candidate") -> bool:
        """Whether the message is in the key's set."""
        numbers = key.uids if isinstance(key, UidKey) else key.numbers
        if numbers.is_saved:
            return candidate.uid in self._saved
        spans = self._sets.get(id(key))
        if spans is None:
            largest = self._view.largest_uid if isinstance(key, UidKey) else self._view.messages
            spans = self._sets[id(key)] = Spans(numbers.spans(largest))
        return (candidate.uid if isinstance(key, UidKey) else candidate.number) in spans


@dataclass(slots=True)
class Candidate:
    """A message and what has been read of it."""

    number: int
    uid: int
    system: int
    keywords: frozenset[str]
    modseq: int
    is_recent: bool
    stored: StoredMessage | None = None
    header: bytes | None = None
    # The texts of the body, as they are compared.
    text: str | None = None
    # Of texts that BODY and TEXT seek, whether the body holds them, where that is known without its texts.
    held: dict[str, bool] = field(default_factory=dict)
    # How similar the body is to texts that FUZZY seeks, and header fields to what is sought in them; from 0 to 1.
    body_scores: dict[str, float] = field(default_factory=dict)
    header_scores: dict[HeaderKey | TextKey, float] = field(default_factory=dict)

    def score(self, key: HeaderKey | BodyKey | TextKey) -> float | None:
        """Of a FUZZY key; None while it is not known."""
        in_header = self.header_scores.get(key) if not isinstance(key, BodyKey) else 0.0
        in_body = self.body_scores.get(key.text) if not isinstance(key, HeaderKey) else 0.0
        return None if in_header is None or in_body is None else max(in_header, in_body)


def matches(key: SearchKey, candidate: Candidate, context: Context) -> bool | None:
    """True, False, or None: more must be read."""
    match key:
        case FlagKey():
            bit, wanted = key.value
            return bool(candidate.system & bit) is wanted
        case PlainKey():
            return _plain(key, candidate)
        case KeywordKey():
            held = any(keyword.lower() == key.keyword.lower() for keyword in candidate.keywords)
            return held is key.wanted
        case SequenceKey() | UidKey():
            return context.holds(key, candidate)
        case DateKey() | SavedKey() | SizeKey() | WithinKey() | ObjectKey() if key in context.decided:
            return candidate.uid in context.decided[key]
        case WithinKey():
            stored = candidate.stored
            if stored is None:
                return None
            return (stored.internal_date >= context.now - timedelta(seconds=key.seconds)) is key.younger
        case ModseqKey():
            return candidate.modseq >= key.modseq
        case DateKey():
            stored = candidate.stored
            return (
                None
                if stored is None
                else _compare(stored.internal_date.astimezone(UTC).date(), key.when, key.day)
            )
        case SavedKey():
            stored = candidate.stored
            if stored is None:
                return None
            return stored.saved_at is not None and _compare(
                stored.saved_at.astimezone(UTC).date(), key.when, key.day
            )
        case ObjectKey():
            if candidate.stored is None:
                return None
            of = thread_object if key.kind is ObjectKind.THREAD else email_object
            return of(candidate.stored) == key.object_id
        case SentKey():
            stored = candidate.stored
            if stored is None:
                return None
            # Whatever time and zone stand there too (RFC 3501 §6.4.4): `sent_at` is the instant.
            day = None if stored.sent_at is None else sent_day(stored.envelope)
            return day is not None and _compare(day, key.when, key.day)
        case SizeKey():
            stored = candidate.stored
            if stored is None:
                return None
            return stored.size_octets > key.octets if key.larger else stored.size_octets < key.octets
        case HeaderKey() | BodyKey() | TextKey() if key.fuzzy:
            score = candidate.score(key)
            return None if score is None else score >= SIMILAR
        case HeaderKey():
            return None if candidate.header is None else header_holds(candidate.header, key.name, key.text)
        case BodyKey():
            return _body_holds(candidate, context, key.text)
        case TextKey():
            if candidate.header is not None and any_field_holds(candidate.header, key.text):
                return True
            in_body = _body_holds(candidate, context, key.text)
            # What the body does not hold the header may.
            return None if in_body is False and candidate.header is None else in_body
        case FilterKey():
            raise RuntimeError("filters are put in before a search begins")
        case NotKey():
            inner = matches(key.key, candidate, context)
            return None if inner is None else not inner
        case OrKey():
            either, other = matches(key.either, candidate, context), matches(key.other, candidate, context)
            if either or other:
                return True
            return None if either is None or other is None else False
        case AndKey():
            unknown = False
            for each in key.keys:
                result = matches(each, candidate, context)
                if result is False:
                    return False
                unknown = unknown or result is None
            return None if unknown else True
        case _:
            assert_never(key)


def _body_holds(candidate: Candidate, context: Context, text: str) -> bool | None:
    if text in candidate.held:
        return candidate.held[text]
    if candidate.text is None or context.by_words:
        return None
    return casemap(text) in candidate.text


def _plain(key: PlainKey, candidate: Candidate) -> bool:
    match key:
        case PlainKey.ALL | PlainKey.SAVEDATESUPPORTED:
            return True
        case PlainKey.RECENT:
            return candidate.is_recent
        case PlainKey.OLD:
            return not candidate.is_recent
        case PlainKey.NEW:
            return candidate.is_recent and not candidate.system & SystemFlag.SEEN
        case _:
            assert_never(key)


def _compare(day: date, when: When, wanted: date) -> bool:
    match when:
        case When.BEFORE:
            return day < wanted
        case When.ON:
            return day == wanted
        case When.SINCE:
            return day >= wanted
        case _:
            assert_never(when)


def header_holds(header: bytes, name: bytes, text: str) -> bool:
    """A field of this name holds the text, in its decoded or its written form; an empty text: it is there."""
    wanted, sought = name.lower(), casemap(text)
    return _may_hold(header, sought) and any(
        field.name.lower() == wanted and (not sought or _holds(field.value, sought))
        for field in fields(header)
    )


def any_field_holds(header: bytes, text: str) -> bool:
    """Any field, name included."""
    sought = casemap(text)
    return _may_hold(header, sought) and any(
        sought in casemap(field.name.decode("latin-1")) or _holds(field.value, sought)
        for field in fields(header)
    )


def _may_hold(header: bytes, sought: str) -> bool:
    """A look at the whole block at once: False where no field can hold the text, as most cannot."""
    if not sought.isascii() or not header.isascii() or b"=?" in header:
        return True
    return sought.encode("ascii") in header.replace(b"\r", b"").replace(b"\n", b"").upper()


def _holds(value: bytes, sought: str) -> bool:
    written = unfold(value)
    if sought in casemap(written.decode("utf-8", "replace")):
        return True
    return b"=?" in written and sought in casemap(decode_words(written))


def needed_columns(key: SearchKey) -> Columns:
    """What must be read of messages that the view alone does not decide."""
    match key:
        case NotKey():
            return needed_columns(key.key)
        case OrKey():
            return needed_columns(key.either) | needed_columns(key.other)
        case AndKey():
            columns = Columns(0)
            for each in key.keys:
                columns |= needed_columns(each)
            return columns
        case SentKey():
            return Columns.SENT | Columns.ENVELOPE
        case ObjectKey() if key.kind is ObjectKind.THREAD:
            return Columns.THREAD
        case HeaderKey():
            return Columns.HEADER
        case TextKey():
            return Columns.HEADER | Columns.BODY
        case BodyKey():
            return Columns.BODY
        case _:
            return Columns(0)
