"""The order that SORT asks for (RFC 5256, RFC 5957): what messages are compared by, and how."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cmp_to_key
from typing import Any, TypeVar, assert_never

from mailmodel.base_subject import base_subject
from mailmodel.collation import collation_key
from mailproto.imap.sort_keys import Direction, SortCriterion, SortKey
from mailstore import Columns, StoredMessage

from imap.core.envelopes import Envelope, read_envelope
from imap.core.session import Session

T = TypeVar("T")
Comparable = bytes | int | datetime
# More are sorted in a thread, so that no other session waits.
AT_ONCE = 5000
OF_ENVELOPE = (
    *(SortKey.CC, SortKey.FROM, SortKey.TO, SortKey.SUBJECT),
    *(SortKey.DISPLAYFROM, SortKey.DISPLAYTO),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A message and what it is compared by, in the order of the criteria."""

    uid: int
    values: tuple[Comparable, ...]


async def read_rows(
    session: Session,
    mailbox_id: int,
    uids: Iterable[int],
    criteria: Sequence[SortCriterion],
    relevancy: Mapping[int, int],
) -> list[Row]:
    """Of these messages, by UID, whose relevancies are known. Raises MailboxMissing."""
    keys = [criterion.key for criterion in criteria]
    columns = Columns(0)
    if SortKey.DATE in keys:
        columns |= Columns.SENT
    if any(key in OF_ENVELOPE for key in keys):
        columns |= Columns.ENVELOPE
    rows: list[Row] = []
    async for stored in session.store.fetch(session.owner_of(mailbox_id), mailbox_id, list(uids), columns):
        rows += [Row(message.uid, _values(message, keys, relevancy)) for message in stored]
    return rows


async def run_apart(size: int, work: Callable[[], T]) -> T:
    """In a thread where there is much to do."""
    return work() if size <= AT_ONCE else await asyncio.to_thread(work)


def ordered(rows: Iterable[Row], criteria: Sequence[SortCriterion]) -> list[Row]:
    """Equal ones stay in the mailbox's order."""
    result = sorted(rows, key=lambda row: row.uid)
    # From the last criterion to the first: each sort leaves equal ones as they were.
    for place in reversed(range(len(criteria))):
        is_reversed = criteria[place].direction is Direction.DESCENDING
        result.sort(key=lambda row, place=place: row.values[place], reverse=is_reversed)  # type: ignore[misc]
    return result


def comparison(criteria: Sequence[SortCriterion]) -> Callable[[Row], Any]:
    """A key under which rows stand in that order: where one more belongs can be looked up by halving."""

    def compare(one: Row, other: Row) -> int:
        for criterion, mine, others in zip(criteria, one.values, other.values, strict=True):
            if mine != others:
                is_first = mine < others  # type: ignore[operator]
                return -1 if is_first is (criterion.direction is Direction.ASCENDING) else 1
        return one.uid - other.uid

    return cmp_to_key(compare)


def sent_at(message: StoredMessage) -> datetime:
    """The sent date, or else the internal one (RFC 5256 §2.2). Fetched with Columns.SENT."""
    return message.sent_at or message.internal_date


def _values(
    message: StoredMessage, keys: Sequence[SortKey], relevancy: Mapping[int, int]
) -> tuple[Comparable, ...]:
    envelope = read_envelope(message.envelope) if message.envelope else None
    return tuple(_value(message, envelope, key, relevancy) for key in keys)


def _value(
    message: StoredMessage, envelope: Envelope | None, key: SortKey, relevancy: Mapping[int, int]
) -> Comparable:
    match key:
        case SortKey.RELEVANCY:
            # The most relevant comes first (RFC 6203 §6).
            return -relevancy.get(message.uid, 0)
        case SortKey.ARRIVAL:
            return message.internal_date
        case SortKey.DATE:
            return sent_at(message)
        case SortKey.SIZE:
            return message.size_octets
    if envelope is None:
        return b""
    match key:
        case SortKey.SUBJECT:
            return collation_key(base_subject(envelope.subject).text)
        case SortKey.FROM:
            return collation_key(envelope.from_.local_part)
        case SortKey.TO:
            return collation_key(envelope.to.local_part)
        case SortKey.CC:
            return collation_key(envelope.cc.local_part)
        case SortKey.DISPLAYFROM:
            return collation_key(envelope.from_.display)
        case SortKey.DISPLAYTO:
            return collation_key(envelope.to.display)
        case _:
            assert_never(key)
