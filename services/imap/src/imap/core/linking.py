"""Messages made of parts of others (RFC 4469): what a URL means here, and its octets."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

from mailmodel.rights import READ
from mailproto.imap.commands import Catenated, Url
from mailproto.imap.reader import APART_OCTETS
from mailproto.imap.urls import MessageUrl, UrlInvalid, parse_url
from mailstore import Columns, MailboxMissing, MailboxNameInvalid, StoredMessage

from imap.core.answer import No
from imap.core.finding import full_header
from imap.core.passing import CHUNK_OCTETS
from imap.core.places import Place, Reach, need
from imap.core.sections import Fields, Inside, cut, locate, select
from imap.core.session import Session
from imap.ports import LongText

TOO_BIG = ("The message would be too large", "TOOBIG")
NO_ROOM = ("There is no room for a message of that size now", "LIMIT")


@dataclass(frozen=True, slots=True)
class Linked:
    """Octets of a stored message."""

    message: StoredMessage
    place: Inside


Part = bytes | LongText | Linked


def bad_url(url: str) -> No:
    """What is wrong with an APPEND (RFC 4469 §4.1)."""
    shown = "".join(
        each if each.isascii() and each.isprintable() and each not in '"\\]' else "?" for each in url
    )
    return No("What the URL names is not there", f'BADURL "{shown}"')


async def catenate(session: Session, content: Catenated) -> bytes | LongText:
    """The whole message; a long one apart, to be closed. Raises No."""
    parts: list[Part] = []
    for part in content.parts:
        if isinstance(part, Url):
            parts.append(await _linked(session, part.url))
        else:
            # A long literal is what the session's own maker of sinks has made.
            parts.append(part if isinstance(part, bytes) else cast(LongText, part))
    octets = sum(map(_length, parts))
    if octets > session.append_octets:
        raise No(*TOO_BIG)
    if octets < APART_OCTETS:
        return b"".join([piece for each in parts async for piece in _pieces(session, each)])
    text = session.new_long_text(octets)
    if text is None:
        raise No(*NO_ROOM)
    try:
        for each in parts:
            async for piece in _pieces(session, each):
                text.write(piece)
    except BaseException:
        text.close()
        raise
    return text


def _length(part: Part) -> int:
    if isinstance(part, Linked):
        return part.place.length
    return len(part) if isinstance(part, bytes) else part.octets


async def _pieces(session: Session, part: Part) -> AsyncIterator[bytes]:
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, Linked):
        position, end = part.place.offset, part.place.offset + part.place.length
        while position < end:
            piece = await session.store.read(part.message, position, min(CHUNK_OCTETS, end - position))
            if not piece:
                return
            position += len(piece)
            yield piece
    else:
        for piece in part.pieces():
            yield piece


async def _linked(session: Session, text: str) -> Part:
    """Raises No (BADURL): also for what this session may not read."""
    try:
        url = parse_url(text)
        if url.rest or (url.host and url.host.lower() != session.hostname.lower()):
            raise UrlInvalid("not here")
        found = await linked(session, url)
    except (UrlInvalid, MailboxMissing, MailboxNameInvalid, No) as error:
        if isinstance(error, No) and error.code == "UNAVAILABLE":
            raise
        raise bad_url(text) from None
    return found


async def linked(session: Session, url: MessageUrl) -> Part:
    """Raises UrlInvalid, MailboxMissing, MailboxNameInvalid, No."""
    if url.mailbox:
        place: Place = await need(session, url.mailbox, READ)
        reach: Reach = place.reach
        validity = place.info.uid_validity
        if url.uid_validity is not None and url.uid_validity != validity:
            raise UrlInvalid("another UIDVALIDITY")
    elif session.selected is not None:
        reach = session.selected.reach
    else:
        raise UrlInvalid("no mailbox")
    columns = Columns.BODY | Columns.HEADER
    async for messages in session.store.fetch(reach.owner, reach.mailbox_id, [url.uid], columns):
        for message in messages:
            return await _section(session, message, url)
    raise UrlInvalid("no such message")


async def _section(session: Session, message: StoredMessage, url: MessageUrl) -> Part:
    found = locate(message, url.section)
    if found is None:
        raise UrlInvalid("no such part")
    if isinstance(found, Inside):
        return Linked(message, cut(found, url.section.partial))
    return await _fields(session, message, found, url)


async def _fields(session: Session, message: StoredMessage, found: Fields, url: MessageUrl) -> bytes:
    if found.header.offset == 0:
        header = await full_header(session, message)
    else:
        header = await session.store.read(message, found.header.offset, found.header.length)
    chosen = select(header, url.section)
    if url.section.partial is None:
        return chosen
    first, most = url.section.partial
    return chosen[first : first + most]
