"""FETCH (RFC 3501 §6.4.5): from the view where that is enough, from the columns where they hold it, from the object
storage only for bodies, and those by ranges.

The answer is never held as a whole: messages come in pieces, small bodies are
read a few ahead, large ones pass through in chunks, and `say` waits for a reader
that is slow.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache

from mailmodel import FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.rights import KEEP_SEEN
from mailproto.imap.commands import Access, By, Fetch
from mailproto.imap.fetch_items import Attribute, Binary, BinarySize, FetchItem, Section, Seen, Text
from mailproto.imap.message_set import Spans
from mailstore import BodyCorrupt, BodyPlace, Columns, MailboxMissing, StoredMessage

from imap.core import places
from imap.core.acting import tell_flagged
from imap.core.answer import NO_MAILBOX, Answer, Bad, No, ok
from imap.core.compiling import VIEWED, compiled, joining, segments_of, viewing
from imap.core.features import Feature
from imap.core.limits import last_ones, refuse_more
from imap.core.opening import tell_opened
from imap.core.passing import Piece, say_pieces
from imap.core.reading_ahead import Made, messages, read_ahead
from imap.core.rendering import held_octets, render
from imap.core.resyncing import tell_vanished
from imap.core.runs import read_run, runs
from imap.core.session import Session
from imap.core.wholes import needs_no_row, wholes

# Runs of messages whose bodies are read ahead.
AHEAD = 4
# Of more items messages are answered one by one: each of them may be as long as the message.
MANY_ITEMS = 20
# So much of an answer is said at once.
SAID_OCTETS = 256 * 1024
# Answers made from the view alone are said in groups.
GROUP = 500
HEADERS = (Text.HEADER, Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT)
COLUMNS = {
    Attribute.ENVELOPE: Columns.ENVELOPE,
    Attribute.BODY: Columns.STRUCTURE,
    Attribute.BODYSTRUCTURE: Columns.STRUCTURE,
    Attribute.PREVIEW: Columns.BODY,
    Attribute.THREADID: Columns.THREAD,
}


async def fetch(session: Session, command: Fetch) -> Answer:
    """One FETCH response for each message that is still there."""
    if command.vanished and Feature.QRESYNC not in session.features:
        raise Bad("ENABLE QRESYNC first")
    selected = session.need_selected()
    uids = session.uids(command.numbers, command.by)
    if command.partial is not None:
        refuse_more(command.partial.length, session.limits.messages)
        uids = list(command.partial.of(uids))
    items = list(dict.fromkeys(command.items))
    if command.by is By.UID and Attribute.UID not in items and not session.is_uid_only:
        items.insert(0, Attribute.UID)
    if command.changed_since is not None:
        uids = [uid for uid in uids if selected.view.modseq_of(uid) > command.changed_since]
        if Attribute.MODSEQ not in items:
            items.append(Attribute.MODSEQ)
    chosen, code = last_ones(uids, session.limits.messages)
    if Attribute.MODSEQ in items:
        await session.enable(Feature.CONDSTORE)
    try:
        if command.vanished:
            await _tell_vanished(session, command)
        marked: set[int] = set()
        if selected.access is Access.READ_WRITE and any(
            isinstance(item, Section | Binary) and item.seen is Seen.MARK for item in items
        ):
            marked = await _mark_seen(session, chosen)
        if all(item in VIEWED for item in items):
            await _from_view(session, chosen, items)
        else:
            await _from_store(session, chosen, items, marked)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    return ok("FETCH completed", code)


async def fetch_new(session: Session, uids: Sequence[int], items: Sequence[FetchItem]) -> None:
    """Of messages that have just come, what the client wants to know by NOTIFY; nothing is marked as seen."""
    items = list(dict.fromkeys([Attribute.UID, *items]))
    if all(item in VIEWED for item in items):
        await _from_view(session, uids, items)
        return
    try:
        await _from_store(session, uids, items, set())
    except (No, BodyCorrupt):
        # Nobody has asked for an answer that could say so: of what cannot be shown nothing is told, of all others it is.
        for uid in uids if len(uids) > 1 else ():
            await fetch_new(session, [uid], items)


async def _tell_vanished(session: Session, command: Fetch) -> None:
    assert command.changed_since is not None
    view = session.need_selected().view
    if command.numbers.is_saved:
        return
    # What vanished may have had a higher UID than any message has now.
    spans = Spans(command.numbers.spans(max(view.largest_uid, view.uid_next - 1)))
    await tell_vanished(session, command.changed_since, spans)


async def _mark_seen(session: Session, uids: Sequence[int]) -> set[int]:
    """The implicit \\Seen; the UIDs whose flags changed and must be told."""
    selected = session.need_selected()
    unseen = [uid for uid in uids if not selected.view.flags_of(uid).system & SystemFlag.SEEN]
    if not unseen or KEEP_SEEN not in selected.reach.rights:
        return set()
    change = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
    outcome = await places.store_flags(session, selected.reach, unseen, change)
    await tell_flagged(session, selected.reach, change, outcome.entries)
    session.told(outcome)
    await tell_opened(session, unseen)
    return {entry.uid for entry in outcome.entries}


async def _from_view(session: Session, uids: Sequence[int], items: Sequence[FetchItem]) -> None:
    made = viewing(session, items)
    for start in range(0, len(uids), GROUP):
        await session.say(made(uids[start : start + GROUP]))


@lru_cache(maxsize=256)
def _needed(items: tuple[FetchItem, ...]) -> tuple[Columns, bool]:
    """What these are made of: columns, and whether also bodies."""
    return _columns(items), any(_reads_body(item) for item in items)


def _columns(items: Sequence[FetchItem]) -> Columns:
    columns = Columns(0)
    for item in items:
        if isinstance(item, Attribute):
            columns |= COLUMNS.get(item, Columns(0))
            continue
        columns |= Columns.BODY
        if isinstance(item, Section) and not item.part and item.text in HEADERS:
            columns |= Columns.HEADER
    return columns


async def _from_store(
    session: Session, uids: Sequence[int], items: Sequence[FetchItem], marked: set[int]
) -> None:
    selected = session.need_selected()
    simple = compiled(session, items)
    if simple is not None and len(uids) > 1:
        uids = await _joined(session, uids, items)
        if not uids:
            return
    columns, reads_bodies = _needed(tuple(items))
    made = wholes(session, items, marked) if reads_bodies else None
    if made is not None and len(uids) > 1 and needs_no_row(items):
        selected.ahead.forget()
        async for places in session.store.fetch_places(selected.reach.owner, selected.mailbox_id, uids):
            async for pieces in _ahead(session, places, items, marked, made):
                await say_pieces(session, pieces)
        return
    async for stored in messages(
        session.store,
        selected.reach.owner,
        selected.mailbox_id,
        selected.view,
        selected.ahead,
        uids,
        columns,
    ):
        if simple is not None:
            await session.say(simple(stored))
        elif reads_bodies and len(stored) == 1:
            whole = await read_ahead(session.store, selected.ahead, stored[0])
            if whole is not None and made is not None:
                await say_pieces(session, made(stored, [whole]))
            else:
                await say_pieces(session, await render(session, stored[0], items, marked, whole))
        elif reads_bodies and len(items) <= MANY_ITEMS:
            async for pieces in _ahead(session, stored, items, marked, made):
                await say_pieces(session, pieces)
        else:
            await _one_by_one(session, stored, items, marked)


async def _one_by_one(
    session: Session, stored: Sequence[StoredMessage], items: Sequence[FetchItem], marked: set[int]
) -> None:
    """No more of the answer is held than that of a few messages."""
    answers: list[Piece] = []
    held = 0
    for message in stored:
        await session.turns.give_way()
        answer = await render(session, message, items, marked)
        answers += answer
        held += held_octets(answer)
        if held >= SAID_OCTETS:
            await say_pieces(session, answers)
            answers, held = [], 0
    await say_pieces(session, answers)


async def _joined(session: Session, uids: Sequence[int], items: Sequence[FetchItem]) -> list[int]:
    """Say what the store puts together; the UIDs of messages of which it cannot."""
    selected = session.need_selected()
    selected.ahead.forget()
    made = joining(session, items)
    left: list[int] = []
    async for rows in session.store.fetch_joined(
        selected.reach.owner, selected.mailbox_id, uids, segments_of(items)
    ):
        together = [row for row in rows if row[1] is not None]
        if len(together) < len(rows):
            left += [row[0] for row in rows if row[1] is None]
        await session.say(made(together))
    return left


def _reads_body(item: FetchItem) -> bool:
    if isinstance(item, Section):
        return bool(item.part) or item.text in (Text.ALL, Text.TEXT)
    return isinstance(item, Binary | BinarySize) or item is Attribute.PREVIEW


async def _ahead(
    session: Session,
    stored: Sequence[StoredMessage | BodyPlace],
    items: Sequence[FetchItem],
    marked: set[int],
    made: Made | None,
) -> AsyncIterator[Sequence[Piece]]:
    """The answers in order, with the bodies of the next few runs being read meanwhile."""
    tasks: list[asyncio.Task[Sequence[Piece]]] = []
    try:
        following = runs(stored)
        while True:
            while len(tasks) < AHEAD and (run := next(following, None)) is not None:
                tasks.append(asyncio.create_task(_render_run(session, run, items, marked, made)))
            if not tasks:
                return
            yield await tasks.pop(0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _render_run(
    session: Session,
    run: Sequence[StoredMessage | BodyPlace],
    items: Sequence[FetchItem],
    marked: set[int],
    made: Made | None,
) -> Sequence[Piece]:
    octets = await read_run(session.store, run)
    read = [whole for whole in octets if whole is not None]
    if made is not None and len(read) == len(run):
        return made(run, read)
    pieces: list[Piece] = []
    known = dict(zip([message.uid for message in run], octets, strict=True))
    for message in await _rows(session, run):
        await session.turns.give_way()
        pieces += await render(session, message, items, marked, known[message.uid])
    return pieces


async def _rows(session: Session, run: Sequence[StoredMessage | BodyPlace]) -> list[StoredMessage]:
    """All of messages of which perhaps only the places are known: a large one, or one whose octets were altered."""
    rows = [message for message in run if isinstance(message, StoredMessage)]
    if len(rows) < len(run):
        selected = session.need_selected()
        uids = [message.uid for message in run]
        async for found in session.store.fetch(selected.reach.owner, selected.mailbox_id, uids, Columns.BODY):
            rows += found
    return rows
