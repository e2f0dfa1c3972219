"""Which messages match a search, in stages: each reads only of the messages that the stage before left open."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mailmodel import AccountRef
from mailmodel.view import SessionView
from mailproto.imap.search_keys import SearchKey
from mailstore import BodyText, Columns, MailboxMissing, StoredMessage

from imap.core.answer import NO_MAILBOX, No
from imap.core.asking import Asking, asking_of
from imap.core.matching import Candidate, Context, matches, needed_columns
from imap.core.measuring import measured
from imap.core.narrowing import asks_headers_alone, required
from imap.core.runs import read_run, runs
from imap.core.session import Session
from imap.core.texts import document_parts, whole_text
from imap.core.turns import looked_through

RUNS_AT_ONCE = 4
# Candidates whose bodies are asked for together.
GROUP = 200
# So many headers are looked at rather than asked about.
FEW = 20
# Messages that are looked at before others may have their turn.
LOOKED_AT = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was found."""

    uid: int
    number: int
    modseq: int
    # From 1 to 100 (RFC 6203 §4).
    relevancy: int = 100


@dataclass(frozen=True, slots=True)
class Where:
    """A mailbox that is searched: its messages, and the UIDs that `$` means."""

    mailbox_id: int
    view: SessionView
    saved: Sequence[int] = ()
    # In order; else all of its messages.
    only: Sequence[int] | None = None
    # Whose it is; None: the session's, or the selected mailbox's owner.
    owner: AccountRef | None = None


async def find(session: Session, key: SearchKey) -> list[Found]:
    """The messages of the selected mailbox that match, in its order. Raises No where it is gone."""
    selected = session.need_selected()
    try:
        return await find_in(session, Where(selected.mailbox_id, selected.view, session.saved), key)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None


def _owner(session: Session, where: Where) -> AccountRef:
    return where.owner or session.owner_of(where.mailbox_id)


def limited(session: Session, found: list[Found]) -> tuple[list[Found], str]:
    """What one command takes of it (RFC 9738), and the response code that says so."""
    limit = session.limits.messages
    if not limit or len(found) <= limit:
        return found, ""
    return found[-limit:], f"MESSAGELIMIT {limit} {found[-limit].uid}"


async def find_in(session: Session, where: Where, key: SearchKey) -> list[Found]:
    """Of any mailbox. Raises MailboxMissing.

    What is read of a message is let go of before more are read: a search of bodies holds a few hundred at a time.
    """
    view = where.view
    asking = await asking_of(session, _owner(session, where), key)
    context = Context(view, where.saved, datetime.now(UTC), by_words=asking.by_words)
    found: list[Found] = []
    open_: dict[int, Candidate] = {}

    def look(candidate: Candidate) -> bool:
        """False where more must be read."""
        result = matches(key, candidate, context)
        if result:
            relevancy = asking.relevancy(candidate)
            found.append(Found(candidate.uid, candidate.number, candidate.modseq, relevancy))
        return result is not None

    alternatives = required(key)
    narrow = partial(session.store.headers_may_hold, _owner(session, where), where.mailbox_id)
    if where.only is not None:
        rows = view.rows_of(where.only)
    elif alternatives is not None and asks_headers_alone(key) and view.messages > FEW:
        rows, alternatives = view.rows_of(await narrow(alternatives, None)), None
    else:
        rows = view.rows()
    for place, (number, uid, system, keywords, modseq) in enumerate(rows):
        if place % LOOKED_AT == 0:
            await session.turns.give_way()
        candidate = Candidate(number, uid, system, keywords, modseq, view.is_recent(uid))
        if not look(candidate):
            open_[uid] = candidate
    if alternatives is not None and len(open_) > FEW:
        kept = await narrow(alternatives, sorted(open_))
        open_ = {uid: open_[uid] for uid in kept}
    if len(open_) > FEW and (asked := measured(key, context.now)):
        for leaf, question in asked.items():
            uids = await session.store.uids_of(_owner(session, where), where.mailbox_id, question)
            context.decided[leaf] = frozenset(uids)
        for place, candidate in enumerate(list(open_.values())):
            if place % LOOKED_AT == 0:
                await session.turns.give_way()
            if look(candidate):
                del open_[candidate.uid]
    if not open_:
        found.sort(key=lambda each: each.uid)
        return found
    progress = session.progress
    progress.done, progress.total = len(found), len(found) + len(open_)
    # What PostgreSQL knows of bodies, first: these need not be fetched for reading.
    known = await asking.of_kept(_owner(session, where), where.mailbox_id, list(open_.values()))
    for place, candidate in enumerate(known):
        if place % LOOKED_AT == 0:
            await session.turns.give_way()
        if look(candidate):
            del open_[candidate.uid]
    columns = needed_columns(key)
    known_uids = [each.uid for each in known if each.uid in open_]
    unknown_uids = sorted(open_.keys() - set(known_uids))
    async for stored in _fetched(session, where, known_uids, unknown_uids, columns):
        still_open = []
        for message in stored:
            await session.turns.give_way()
            candidate = open_.pop(message.uid)
            candidate.stored = message
            if columns & Columns.HEADER:
                candidate.header = await full_header(session, message)
            if not await looked_through(len(candidate.header or b""), partial(look, candidate)):
                still_open.append(candidate)
        progress.done += len(stored) - len(still_open)
        for start in range(0, len(still_open), GROUP):
            group = still_open[start : start + GROUP]
            await asking.of_headers(group)
            unread = [
                each
                for each in group
                if not await looked_through(len(each.header or b""), partial(look, each))
            ]
            await _read_texts(session, unread)
            await asking.of_read(unread)
            _hand_over(session, _owner(session, where), asking, unread)
            for each in unread:
                await session.turns.give_way()
                await looked_through(len(each.header or b""), partial(look, each))
                each.text = None
            progress.done += len(group)
    found.sort(key=lambda each: each.uid)
    return found


async def _fetched(
    session: Session, where: Where, known: Sequence[int], unknown: Sequence[int], columns: Columns
) -> AsyncIterator[Sequence[StoredMessage]]:
    """With these columns; of messages whose bodies are known without what reading them needs."""
    for uids, wanted in ((known, columns & ~Columns.BODY), (unknown, columns)):
        if not uids:
            continue
        async for stored in session.store.fetch(_owner(session, where), where.mailbox_id, uids, wanted):
            yield await _with_long_headers(session, where, stored, wanted)


def _hand_over(session: Session, owner: AccountRef, asking: Asking, candidates: Sequence[Candidate]) -> None:
    """What has been read need not be read again."""
    if session.filler is None or not candidates:
        return
    read = [
        BodyText(each.stored.message_id, each.text)
        for each in candidates
        if each.stored is not None
        and each.text is not None
        and not each.held
        and not each.body_scores
        # What is attached the filler reads.
        and not document_parts(each.stored)
    ]
    session.filler.read(owner, asking.language, read)


async def _with_long_headers(
    session: Session, where: Where, stored: Sequence[StoredMessage], columns: Columns
) -> Sequence[StoredMessage]:
    """The same; those whose header is not in its column, for it is long, as it can be read."""
    if not columns & Columns.HEADER or columns & Columns.BODY:
        return stored
    long_ones = [message.uid for message in stored if message.header_octets and not message.header]
    if not long_ones:
        return stored
    again: dict[int, StoredMessage] = {}
    async for part in session.store.fetch(
        _owner(session, where), where.mailbox_id, long_ones, columns | Columns.BODY
    ):
        again.update({message.uid: message for message in part})
    # One that has gone meanwhile is not found.
    kept = (again.get(m.uid) if m.header_octets and not m.header else m for m in stored)
    return [message for message in kept if message is not None]


async def full_header(session: Session, message: StoredMessage) -> bytes:
    """The header with what stands before it; a long one is read. Fetched with Columns.HEADER and BODY."""
    if message.header or not message.header_octets:
        return message.prefix + message.header
    return await session.store.read(message, 0, len(message.prefix) + message.header_octets)


async def _read_texts(session: Session, candidates: Sequence[Candidate]) -> None:
    room = asyncio.Semaphore(RUNS_AT_ONCE)
    by_uid = {candidate.uid: candidate for candidate in candidates}

    async def read(run: Sequence[StoredMessage]) -> None:
        async with room:
            wholes = await read_run(session.store, run)
            for message, whole in zip(run, wholes, strict=True):
                by_uid[message.uid].text = await whole_text(session, message, whole)

    stored = [candidate.stored for candidate in candidates if candidate.stored is not None]
    await asyncio.gather(*(read(run) for run in runs(stored)))
