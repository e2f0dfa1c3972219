"""SORT (RFC 5256, RFC 5957): the messages that match, in an order of their columns."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, assert_never

from mailmodel.base_subject import base_subject
from mailmodel.collation import collation_key
from mailproto.imap import responses
from mailproto.imap.commands import By, Sort
from mailproto.imap.search_keys import asks_modseq
from mailproto.imap.sort_keys import Direction, SortCriterion, SortKey
from mailstore import Columns, MailboxMissing, StoredMessage

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.envelopes import Envelope, read_envelope
from imap.core.finding import find, limited
from imap.core.searching import result_items
from imap.core.session import Session

T = TypeVar("T")
Comparable = bytes | int | datetime
# More are sorted in a thread, so that no other session waits.
AT_ONCE = 5000
OF_ENVELOPE = (
    *(SortKey.CC, SortKey.FROM, SortKey.TO, SortKey.SUBJECT),
    *(SortKey.DISPLAYFROM, SortKey.DISPLAYTO),
)


async def sort(session: Session, command: Sort, tag: str) -> Answer:
    """The numbers that match, sorted; equal ones stay in the mailbox's order."""
    matching, code = limited(session, await find(session, command.key))
    found = {each.uid: each for each in matching}
    keys = [criterion.key for criterion in command.criteria]
    columns = Columns(0)
    if SortKey.DATE in keys:
        columns |= Columns.SENT
    if any(key in OF_ENVELOPE for key in keys):
        columns |= Columns.ENVELOPE
    rows: list[tuple[int, list[Comparable]]] = []
    mailbox_id = session.need_selected().mailbox_id
    try:
        async for stored in session.store.fetch(session.account, mailbox_id, list(found), columns):
            rows += [(message.uid, _values(message, keys)) for message in stored]
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    ordered = await run_apart(len(rows), lambda: _ordered(rows, command.criteria))
    is_uid = command.by is By.UID
    if command.returns is None:
        await session.say(responses.sort([uid if is_uid else found[uid].number for uid in ordered]))
    else:
        items = result_items(
            command.returns,
            [found[uid] for uid in ordered],
            command.by,
            tells_modseq=asks_modseq(command.key),
        )
        await session.say(responses.esearch(tag, is_uid, items))
    return ok("SORT completed", code)


async def run_apart(size: int, work: Callable[[], T]) -> T:
    """In a thread where there is much to do."""
    return work() if size <= AT_ONCE else await asyncio.to_thread(work)


def _ordered(rows: list[tuple[int, list[Comparable]]], criteria: tuple[SortCriterion, ...]) -> list[int]:
    # From the last criterion to the first: each sort leaves equal ones as they were.
    for place in reversed(range(len(criteria))):
        is_reversed = criteria[place].direction is Direction.DESCENDING
        rows.sort(key=lambda row, place=place: row[1][place], reverse=is_reversed)  # type: ignore[misc]
    return [uid for uid, _ in rows]


def sent_at(message: StoredMessage) -> datetime:
    """The sent date, or else the internal one (RFC 5256 §2.2). Fetched with Columns.SENT."""
    return message.sent_at or message.internal_date


def _values(message: StoredMessage, keys: list[SortKey]) -> list[Comparable]:
    envelope = read_envelope(message.envelope) if message.envelope else None
    return [_value(message, envelope, key) for key in keys]


def _value(message: StoredMessage, envelope: Envelope | None, key: SortKey) -> Comparable:
    match key:
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
