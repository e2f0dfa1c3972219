"""FETCH (RFC 3501 §6.4.5): from the view where that is enough, from the columns where they hold it, from the object
storage only for bodies, and those by ranges.

The answer is never held as a whole: messages come in pieces, small bodies are
read a few ahead, large ones pass through in chunks, and `say` waits for a reader
that is slow.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from mailmodel import FlagAction, FlagChange, Flags, SystemFlag
from mailproto.imap import responses
from mailproto.imap.commands import Access, By, Fetch
from mailproto.imap.fetch_items import Attribute, FetchItem, Section, Seen, Text
from mailproto.imap.message_set import Spans
from mailstore import Columns, MailboxMissing, StoredMessage

from imap.core.answer import NO_MAILBOX, Answer, Bad, No, ok
from imap.core.features import Feature
from imap.core.resyncing import tell_vanished
from imap.core.sections import Fields, Inside, cut, inline, locate, select
from imap.core.session import Session

# A section up to this size is read before its message is answered; a larger one while it is.
SMALL_OCTETS = 256 * 1024
CHUNK_OCTETS = 512 * 1024
# Messages whose bodies are read ahead.
AHEAD = 8
# Answers made from the view alone are said in groups.
GROUP = 500
VIEW_ITEMS = (Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ)
COLUMNS = {
    Attribute.ENVELOPE: Columns.ENVELOPE,
    Attribute.BODY: Columns.STRUCTURE,
    Attribute.BODYSTRUCTURE: Columns.STRUCTURE,
}


@dataclass(frozen=True, slots=True)
class Large:
    """A section that passes through in chunks."""

    message: StoredMessage
    place: Inside


Piece = bytes | Large


async def fetch(session: Session, command: Fetch) -> Answer:
    """One FETCH response for each message that is still there."""
    if command.vanished and Feature.QRESYNC not in session.features:
        raise Bad("ENABLE QRESYNC first")
    selected = session.need_selected()
    uids = session.uids(command.numbers, command.by)
    if command.partial is not None:
        uids = list(command.partial.of(uids))
    items = list(dict.fromkeys(command.items))
    if command.by is By.UID and Attribute.UID not in items:
        items.insert(0, Attribute.UID)
    if command.changed_since is not None:
        uids = [uid for uid in uids if selected.view.modseq_of(uid) > command.changed_since]
        if Attribute.MODSEQ not in items:
            items.append(Attribute.MODSEQ)
    if Attribute.MODSEQ in items:
        await session.enable(Feature.CONDSTORE)
    try:
        if command.vanished:
            await _tell_vanished(session, command)
        marked: set[int] = set()
        if selected.access is Access.READ_WRITE and any(
            isinstance(item, Section) and item.seen is Seen.MARK for item in items
        ):
            marked = await _mark_seen(session, uids)
        if all(item in VIEW_ITEMS for item in items):
            await _from_view(session, uids, items)
        else:
            await _from_store(session, uids, items, marked)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    return ok("FETCH completed")


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
    if not unseen:
        return set()
    change = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
    entries = await session.store.store_flags(session.account, selected.mailbox_id, unseen, change)
    session.told(entries)
    return {entry.uid for entry in entries}


async def _from_view(session: Session, uids: Sequence[int], items: Sequence[FetchItem]) -> None:
    view = session.need_selected().view
    for start in range(0, len(uids), GROUP):
        lines = []
        for uid in uids[start : start + GROUP]:
            words = [_viewed(session, item, uid) for item in items]
            lines.append(b"* %d FETCH (%b)\r\n" % (view.number_of(uid) or 0, b" ".join(words)))
        await session.say(b"".join(lines))


def _viewed(session: Session, item: FetchItem, uid: int) -> bytes:
    if item is Attribute.UID:
        return b"UID %d" % uid
    if item is Attribute.MODSEQ:
        return b"MODSEQ (%d)" % session.need_selected().view.modseq_of(uid)
    return b"FLAGS " + session.flags(uid)


def _columns(items: Sequence[FetchItem]) -> Columns:
    columns = Columns(0)
    for item in items:
        if isinstance(item, Attribute):
            columns |= COLUMNS.get(item, Columns(0))
        else:
            columns |= Columns.BODY
            if not item.part and item.text in (Text.HEADER, Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
                columns |= Columns.HEADER
    return columns


async def _from_store(
    session: Session, uids: Sequence[int], items: Sequence[FetchItem], marked: set[int]
) -> None:
    selected = session.need_selected()
    needs_bodies = any(
        isinstance(item, Section) and (item.part or item.text in (Text.ALL, Text.TEXT)) for item in items
    )
    async for stored in session.store.fetch(session.account, selected.mailbox_id, uids, _columns(items)):
        if needs_bodies:
            async for pieces in _ahead(session, stored, items, marked):
                await _say_pieces(session, pieces)
        else:
            group: list[bytes] = []
            for message in stored:
                for piece in await _render(session, message, items, marked):
                    if isinstance(piece, bytes):
                        group.append(piece)
                    else:
                        await session.say(b"".join(group))
                        group.clear()
                        await _pass_through(session, piece)
            await session.say(b"".join(group))


async def _ahead(
    session: Session, stored: Sequence[StoredMessage], items: Sequence[FetchItem], marked: set[int]
) -> AsyncIterator[list[Piece]]:
    """The answers in order, with the bodies of the next few being read meanwhile."""
    tasks: list[asyncio.Task[list[Piece]]] = []
    try:
        following = iter(stored)
        while True:
            while len(tasks) < AHEAD and (message := next(following, None)) is not None:
                tasks.append(asyncio.create_task(_render(session, message, items, marked)))
            if not tasks:
                return
            yield await tasks.pop(0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _render(
    session: Session, message: StoredMessage, items: Sequence[FetchItem], marked: set[int]
) -> list[Piece]:
    """One FETCH response."""
    view = session.need_selected().view
    number = view.number_of(message.uid)
    if number is None:
        return []
    pieces: list[Piece] = [b"* %d FETCH (" % number]
    for place, item in enumerate(items):
        if place:
            pieces.append(b" ")
        if isinstance(item, Section):
            pieces += await _section(session, message, item)
            continue
        match item:
            case Attribute.FLAGS | Attribute.UID | Attribute.MODSEQ:
                pieces.append(_viewed(session, item, message.uid))
            case Attribute.INTERNALDATE:
                pieces.append(b"INTERNALDATE " + responses.internal_date(message.internal_date))
            case Attribute.SIZE:
                pieces.append(b"RFC822.SIZE %d" % message.size_octets)
            case Attribute.ENVELOPE:
                pieces.append(b"ENVELOPE " + message.envelope)
            case Attribute.BODY:
                pieces.append(b"BODY " + message.body)
            case Attribute.BODYSTRUCTURE:
                pieces.append(b"BODYSTRUCTURE " + message.bodystructure)
    if message.uid in marked:
        pieces += [b" " + _viewed(session, item, message.uid) for item in _news(session) if item not in items]
    pieces.append(b")\r\n")
    return pieces


def _news(session: Session) -> tuple[Attribute, ...]:
    """What a change that was not asked for is told with (RFC 7162 §3.2.4)."""
    return (Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ) if session.tells_modseqs else (Attribute.FLAGS,)


async def _section(session: Session, message: StoredMessage, section: Section) -> list[Piece]:
    label = section.label
    if section.partial is not None:
        label += b"<%d>" % section.partial[0]
    place = locate(message, section)
    if place is None:
        return [label + b" NIL"]
    if isinstance(place, Fields):
        header = inline(message, place.header)
        if header is None:
            header = await session.store.read(message, place.header.offset, place.header.length)
        chosen = select(header, section)
        if section.partial is not None:
            first, most = section.partial
            chosen = chosen[first : first + most]
        return [label + b" " + responses.literal(chosen)]
    place = cut(place, section.partial)
    known = inline(message, place)
    if known is not None:
        return [label + b" " + responses.literal(known)]
    if place.length <= SMALL_OCTETS:
        octets = await session.store.read(message, place.offset, place.length)
        return [label + b" " + responses.literal(octets)]
    return [label + b" {%d}\r\n" % place.length, Large(message, place)]


async def _say_pieces(session: Session, pieces: Sequence[Piece]) -> None:
    group: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            group.append(piece)
        else:
            await session.say(b"".join(group))
            group.clear()
            await _pass_through(session, piece)
    await session.say(b"".join(group))


async def _pass_through(session: Session, large: Large) -> None:
    end = large.place.offset + large.place.length
    position = large.place.offset
    while position < end:
        chunk = await session.store.read(large.message, position, min(CHUNK_OCTETS, end - position))
        await session.say(chunk)
        position += len(chunk)
