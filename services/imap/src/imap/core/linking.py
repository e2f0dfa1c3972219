"""Messages made of parts of others (RFC 4469): what a URL means here, and its octets."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import cast

from mailmodel.rights import READ
from mailproto.imap.commands import Catenated, Url
from mailproto.imap.reader import APART_OCTETS
from mailproto.imap.urls import MessageUrl, UrlInvalid, parse_url
from mailstore import Columns, MailboxMissing, MailboxNameInvalid, StoredMessage

from imap.core.answer import No
from imap.core.authorizing import authorized, check_host, check_validity, is_me
from imap.core.finding import full_header
from imap.core.passing import CHUNK_OCTETS
from imap.core.places import Place, Reach, need
from imap.core.sections import Fields, Inside, cut, locate, select
from imap.core.session import Session
from imap.core.turns import looked_through
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
    for each in parts:
        if not isinstance(each, Linked):
            need_kept(each)
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
        need_kept(text)
    except BaseException:
        text.close()
        raise
    return text


def need_kept(content: bytes | LongText) -> None:
    """Raises No where the disk had no room for it."""
    if not isinstance(content, bytes) and not content.is_kept():
        raise No(*NO_ROOM)


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
        return await part_of(session, await _reach(session, text, url), url)
    except (UrlInvalid, MailboxMissing, MailboxNameInvalid, No) as error:
        if isinstance(error, No) and error.code == "UNAVAILABLE":
            raise
        raise bad_url(text) from None


async def _reach(session: Session, text: str, url: MessageUrl) -> Reach:
    """The mailbox that a URL leads this session to, by its own rights or by those of who has signed the URL. Raises
    UrlInvalid, MailboxMissing, MailboxNameInvalid, No.
    """
    if url.rest:
        return await authorized(session, text, url)
    check_host(session, url)
    if url.user and not is_me(session, url.user):
        raise UrlInvalid("another's")
    if url.mailbox:
        place: Place = await need(session, url.mailbox, READ)
        check_validity(place, url)
        return place.reach
    if session.selected is None:
        raise UrlInvalid("no mailbox")
    return session.selected.reach


async def message_of(
    session: Session, reach: Reach, url: MessageUrl, columns: Columns = Columns(0)
) -> StoredMessage:
    """Body and header of it can be read. Raises UrlInvalid, MailboxMissing."""
    columns |= Columns.BODY | Columns.HEADER
    async for messages in session.store.fetch(reach.owner, reach.mailbox_id, [url.uid], columns):
        for message in messages:
            return message
    raise UrlInvalid("no such message")


async def part_of(session: Session, reach: Reach, url: MessageUrl) -> Part:
    """Raises UrlInvalid, MailboxMissing."""
    return await section_of(session, await message_of(session, reach, url), url)


async def section_of(session: Session, message: StoredMessage, url: MessageUrl) -> bytes | Linked:
    """Raises UrlInvalid."""
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
    chosen = await looked_through(len(header), partial(select, header, url.section))
    if url.section.partial is None:
        return chosen
    first, most = url.section.partial
    return chosen[first : first + most]
