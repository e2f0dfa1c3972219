"""URLFETCH (RFC 4467 §7, §8; RFC 5524): parts of messages for whoever has a signed URL of them. Nothing is marked as seen.

Each URL has a response of its own, NIL where it leads nowhere. A long part passes through as in FETCH.
"""

from mailproto.imap import responses
from mailproto.imap.commands import UrlFetch, UrlItem, WantedUrl
from mailproto.imap.fetch_items import Binary, Seen, Text
from mailproto.imap.urls import MessageUrl, UrlInvalid, parse_url
from mailstore import Columns, MailboxMissing, MailboxNameInvalid, StoredMessage

from imap.core.answer import Answer, No, ok
from imap.core.authorizing import authorized
from imap.core.linking import Linked, message_of, section_of
from imap.core.passing import Large, Piece, measure, say_pieces
from imap.core.rendering import SMALL_OCTETS, binary_of, encoded_part
from imap.core.session import Session
from imap.core.structures import decoded, structure_of


async def fetch(session: Session, command: UrlFetch) -> Answer:
    """What the URLs lead to, now."""
    for wanted in command.urls:
        front = b"* URLFETCH " + responses.quoted_or_literal(wanted.url.encode("utf-8"))
        try:
            pieces = await _pieces(session, wanted)
        except (UrlInvalid, MailboxMissing, MailboxNameInvalid, No) as error:
            if isinstance(error, No) and error.code == "UNAVAILABLE":
                raise
            pieces = [b" NIL"]
        await say_pieces(session, [front, *pieces, b"\r\n"])
    return ok("URLFETCH completed")


async def _pieces(session: Session, wanted: WantedUrl) -> list[Piece]:
    url = parse_url(wanted.url)
    reach = await authorized(session, wanted.url, url)
    columns = Columns.STRUCTURE if UrlItem.STRUCTURE in wanted.items else Columns(0)
    message = await message_of(session, reach, url, columns)
    if not wanted.items:
        return [b" ", *await _octets(session, message, url)]
    pieces: list[Piece] = []
    for item in wanted.items:
        match item:
            case UrlItem.BODY:
                shown = await _octets(session, message, url)
            case UrlItem.BINARY:
                shown = await _binary(session, message, url)
            case UrlItem.STRUCTURE:
                shown = [await _structure(session, message, url, UrlItem.BINARY in wanted.items)]
        pieces += [b" (%b " % item.value.encode("ascii"), *shown, b")"]
    return pieces


async def _octets(session: Session, message: StoredMessage, url: MessageUrl) -> list[Piece]:
    """An nstring. Raises UrlInvalid."""
    part = await section_of(session, message, url)
    if not isinstance(part, Linked):
        return [responses.literal(part)]
    if part.place.length <= SMALL_OCTETS:
        octets = await session.store.read(message, part.place.offset, part.place.length)
        return [responses.quoted_or_literal(octets)]
    return [b"{%d}\r\n" % part.place.length, Large(message, part.place, part.place.length)]


async def _binary(session: Session, message: StoredMessage, url: MessageUrl) -> list[Piece]:
    """Without its transfer encoding; NIL where that is not known (RFC 5524 §3.2)."""
    if not _is_part(url):
        return await _octets(session, message, url)
    item = Binary(url.section.part, url.section.partial, Seen.PEEK, b"")
    try:
        shown = await binary_of(session, message, item)
    except No:
        return [b"NIL"]
    if shown is None:
        raise UrlInvalid("no such part")
    return shown


async def _structure(session: Session, message: StoredMessage, url: MessageUrl, is_decoded: bool) -> bytes:
    found = structure_of(message.bodystructure, url.section.part)
    if found is None:
        raise UrlInvalid("no such part")
    if not is_decoded or not _is_part(url):
        return found
    try:
        large = encoded_part(message, url.section.part)
    except No:
        return found
    if large is None:
        raise UrlInvalid("no such part")
    measured = await measure(session, message, large.place, large.make)
    return decoded(found, measured.octets, measured.lines)


def _is_part(url: MessageUrl) -> bool:
    """Whether it names a part with all that is in it, not a header or the like."""
    return bool(url.section.part) and url.section.text is Text.ALL
