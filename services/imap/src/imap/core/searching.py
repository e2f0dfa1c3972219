"""SEARCH (RFC 3501 §6.4.4): in stages, each reading only of the messages that the stage before left open."""

import asyncio
import binascii
import quopri
from collections.abc import AsyncIterator, Sequence

from mailmsg.content import parse_content_type
from mailmsg.header import first_value
from mailmsg.parts import Part, decode_parts
from mailproto.imap import responses
from mailproto.imap.commands import By, Search
from mailproto.imap.search_keys import SequenceKey, UidKey
from mailstore import BodyCorrupt, Columns, MailboxMissing, StoredMessage

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.matching import Candidate, matches, needs_columns
from imap.core.session import Session

BODIES_AT_ONCE = 8
# Of a longer text only the beginning is looked through.
TEXT_OCTETS = 4 * 1024 * 1024
# Candidates whose bodies are asked for together.
GROUP = 200


async def search(session: Session, command: Search) -> Answer:
    """The numbers that match, in order."""
    selected = session.need_selected()
    view = selected.view

    def spans(key: SequenceKey | UidKey) -> list[tuple[int, int]]:
        if isinstance(key, UidKey):
            return list(key.uids.spans(view.largest_uid))
        return list(key.numbers.spans(view.messages))

    found: list[Candidate] = []
    open_: list[Candidate] = []
    for number, uid, system, keywords in view.rows():
        candidate = Candidate(number, uid, system, keywords, view.is_recent(uid))
        result = matches(command.key, candidate, spans)
        if result is None:
            open_.append(candidate)
        elif result:
            found.append(candidate)
    if open_ and needs_columns(command.key):
        try:
            still_open = []
            async for candidate in _with_columns(session, open_):
                result = matches(command.key, candidate, spans)
                if result is None:
                    still_open.append(candidate)
                elif result:
                    found.append(candidate)
            for start in range(0, len(still_open), GROUP):
                group = still_open[start : start + GROUP]
                await _read_texts(session, group)
                found += [each for each in group if matches(command.key, each, spans)]
                for each in group:
                    each.text = None
        except MailboxMissing:
            raise No(*NO_MAILBOX) from None
    numbers = sorted(each.uid if command.by is By.UID else each.number for each in found)
    await session.say(responses.search(numbers))
    return ok("SEARCH completed")


async def _with_columns(session: Session, candidates: Sequence[Candidate]) -> AsyncIterator[Candidate]:
    by_uid = {candidate.uid: candidate for candidate in candidates}
    columns = Columns.HEADER | Columns.BODY | Columns.SENT
    mailbox_id = session.need_selected().mailbox_id
    async for stored in session.store.fetch(session.account, mailbox_id, list(by_uid), columns):
        for message in stored:
            candidate = by_uid[message.uid]
            candidate.stored = message
            if message.header or not message.header_octets:
                candidate.header = message.prefix + message.header
            else:
                candidate.header = await session.store.read(
                    message, 0, len(message.prefix) + message.header_octets
                )
            yield candidate


async def _read_texts(session: Session, candidates: Sequence[Candidate]) -> None:
    room = asyncio.Semaphore(BODIES_AT_ONCE)

    async def read(candidate: Candidate) -> None:
        async with room:
            assert candidate.stored is not None
            candidate.text = await _text(session, candidate.stored)

    await asyncio.gather(*(read(candidate) for candidate in candidates))


async def _text(session: Session, message: StoredMessage) -> str:
    """The texts of a message's body, decoded, in lower case."""
    texts = []
    front = len(message.prefix)
    for part in decode_parts(message.parts).parts:
        if not part.section or not part.media_type.startswith("text/"):
            continue
        start = front + part.header_offset
        octets = part.body_offset + min(part.body_octets, TEXT_OCTETS) - part.header_offset
        try:
            data = await session.store.read(message, start, octets)
        except BodyCorrupt:
            continue
        header_octets = part.body_offset - part.header_offset
        texts.append(_decoded(data[:header_octets], data[header_octets:], part))
    return "\n".join(texts).lower()


def _decoded(header: bytes, data: bytes, part: Part) -> str:
    if part.encoding == "base64":
        try:
            data = binascii.a2b_base64(data)
        except binascii.Error:
            pass
    elif part.encoding == "quoted-printable":
        data = quopri.decodestring(data)
    charset = "utf-8"
    value = first_value(header, b"content-type")
    content_type = parse_content_type(value) if value is not None else None
    if content_type is not None:
        for name, given in content_type.parameters:
            if name.lower() == b"charset":
                charset = given.decode("ascii", "replace")
    try:
        return data.decode(charset, "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
