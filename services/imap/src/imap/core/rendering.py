"""One FETCH response: each item from the view, the columns, or a range of the body (RFC 3501 §7.4.2, RFC 9051 §7.5.2)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC
from functools import partial

from mailmsg.parts import decode_parts
from mailproto.imap import responses
from mailproto.imap.fetch_items import Attribute, Binary, BinarySize, FetchItem, Section
from mailstore import StoredMessage

from imap.core.answer import No
from imap.core.decoding import Plain, decode, decoder
from imap.core.object_ids import email_object, thread_object
from imap.core.passing import Large, Measured, Piece, measure
from imap.core.preview import preview
from imap.core.sections import Fields, Inside, cut, inline, locate, select
from imap.core.session import Session
from imap.core.turns import looked_through

# A section up to this size is read before its message is answered; a larger one while it is.
SMALL_OCTETS = 256 * 1024
# Of one message no more is held than this: a client may ask for the same octets two hundred times over.
HELD_OCTETS = 1024 * 1024


def viewed(session: Session, item: FetchItem, uid: int) -> bytes:
    """An item that the view holds."""
    if item is Attribute.UID:
        return b"UID %d" % uid
    if item is Attribute.MODSEQ:
        return b"MODSEQ (%d)" % session.need_selected().view.modseq_of(uid)
    return b"FLAGS " + session.flags(uid)


async def render(
    session: Session,
    message: StoredMessage,
    items: Sequence[FetchItem],
    marked: Collection[int],
    whole: bytes | None = None,
) -> list[Piece]:
    """The response, or nothing where the session does not know the message any more.

    `whole` is the message where it has been read already; `marked` are the UIDs that are \\Seen by this command: their new flags are told.
    """
    number = session.need_selected().view.number_of(message.uid)
    if number is None:
        return []
    pieces: list[Piece] = [session.fetched(number, message.uid)]
    held = 0
    for place, item in enumerate(items):
        if place:
            pieces.append(b" ")
        match item:
            case Section():
                made = await _section(session, message, item, whole, HELD_OCTETS - held)
                held += held_octets(made)
                pieces += made
            case Binary():
                made = await _binary(session, message, item, whole, HELD_OCTETS - held)
                held += held_octets(made)
                pieces += made
            case BinarySize():
                pieces.append(b"%b %d" % (item.label, await _binary_size(session, message, item)))
            case Attribute.FLAGS | Attribute.UID | Attribute.MODSEQ:
                pieces.append(viewed(session, item, message.uid))
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
            case Attribute.EMAILID:
                pieces.append(b"EMAILID (%b)" % email_object(message).encode("ascii"))
            case Attribute.THREADID:
                pieces.append(b"THREADID (%b)" % thread_object(message).encode("ascii"))
            case Attribute.SAVEDATE:
                pieces.append(b"SAVEDATE " + _saved(message))
            case Attribute.PREVIEW:
                shown = (await preview(session, message)).encode("utf-8")
                pieces.append(b"PREVIEW " + responses.quoted_or_literal(shown))
            case Attribute.LAZY_PREVIEW:
                # RFC 8970 §4.1: it would have to be read from the object storage.
                pieces.append(b"PREVIEW NIL")
    if message.uid in marked:
        pieces += [b" " + viewed(session, item, message.uid) for item in news(session) if item not in items]
    pieces.append(b")\r\n")
    return pieces


def held_octets(pieces: Sequence[Piece]) -> int:
    """What of them is in memory."""
    return sum(len(piece) for piece in pieces if isinstance(piece, bytes))


def _saved(message: StoredMessage) -> bytes:
    return b"NIL" if message.saved_at is None else responses.internal_date(message.saved_at.astimezone(UTC))


def news(session: Session) -> tuple[Attribute, ...]:
    """What a change that was not asked for is told with (RFC 7162 §3.2.4, RFC 9051 §7.5.2)."""
    if session.is_uid_only:
        return (Attribute.FLAGS, Attribute.MODSEQ) if session.tells_modseqs else (Attribute.FLAGS,)
    if session.tells_modseqs:
        return (Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ)
    return (Attribute.FLAGS, Attribute.UID) if session.is_rev2 else (Attribute.FLAGS,)


async def _read(session: Session, message: StoredMessage, place: Inside, whole: bytes | None) -> bytes:
    if whole is not None:
        return whole[place.offset : place.offset + place.length]
    return await session.store.read(message, place.offset, place.length)


async def _section(
    session: Session, message: StoredMessage, section: Section, whole: bytes | None, room: int
) -> list[Piece]:
    """`room`: what may be held of it."""
    label = _label(section.label, section.partial)
    place = locate(message, section)
    if place is None:
        return [label + b" NIL"]
    if isinstance(place, Fields):
        header = inline(message, place.header)
        if header is None:
            header = await _read(session, message, place.header, whole)
        chosen = await looked_through(len(header), partial(select, header, section))
        if section.partial is not None:
            first, most = section.partial
            chosen = chosen[first : first + most]
        return [label + b" " + responses.literal(chosen)]
    place = cut(place, section.partial)
    known = inline(message, place)
    if known is not None:
        return [label + b" " + responses.literal(known)]
    if place.length <= min(SMALL_OCTETS, room):
        octets = await _read(session, message, place, whole)
        return [label + b" " + responses.literal(octets)]
    return [label + b" {%d}\r\n" % place.length, Large(message, place, place.length)]


def _label(label: bytes, partial: tuple[int, int] | None) -> bytes:
    return label if partial is None else label + b"<%d>" % partial[0]


async def _binary(
    session: Session, message: StoredMessage, item: Binary, whole: bytes | None, room: int
) -> list[Piece]:
    label = _label(item.label, item.partial)
    shown = await binary_of(session, message, item, whole, room)
    return [label + b" NIL"] if shown is None else [label + b" ", *shown]


async def binary_of(
    session: Session,
    message: StoredMessage,
    item: Binary,
    whole: bytes | None = None,
    room: int = SMALL_OCTETS,
) -> list[Piece] | None:
    """The decoded octets, as a literal or a literal8; None where there is no such part. Raises No (UNKNOWN-CTE)."""
    large = encoded_part(message, item.part)
    if large is None:
        return None
    first, most = item.partial or (0, 1 << 62)
    if large.place.length <= min(SMALL_OCTETS, room):
        octets = await _read(session, message, large.place, whole)
        octets = decode(large.make, octets)[first : first + most]
        # A literal8 only where it is needed (RFC 3516 §4.3).
        sign = b"~" if b"\0" in octets else b""
        return [sign + responses.literal(octets)]
    measured = await _measured(session, large)
    octets_told = max(0, min(most, measured.octets - first))
    sign = b"~" if measured.has_nul else b""
    return [
        b"%b{%d}\r\n" % (sign, octets_told),
        replace(large, octets=octets_told, first=first),
    ]


async def _binary_size(session: Session, message: StoredMessage, item: BinarySize) -> int:
    large = encoded_part(message, item.part)
    return 0 if large is None else (await _measured(session, large)).octets


async def _measured(session: Session, large: Large) -> Measured:
    return await measure(session, large.message, large.place, large.make)


def encoded_part(message: StoredMessage, section: tuple[int, ...]) -> Large | None:
    """Where a part lies and how it is decoded; None where there is no such part. Raises No (UNKNOWN-CTE)."""
    if not section:
        return Large(message, Inside(0, message.size_octets), message.size_octets)
    index = decode_parts(message.parts)
    part = index.get(section)
    if part is None:
        return None
    make = Plain if part.holds_message else decoder(part.encoding, part.media_type)
    if make is None:
        raise No("The encoding of that part is not known here", "UNKNOWN-CTE")
    place = Inside(len(message.prefix) + part.body_offset, part.body_octets)
    return Large(message, place, part.body_octets, make=make)
