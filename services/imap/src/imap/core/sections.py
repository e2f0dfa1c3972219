"""Where a section of a message lies, and small sections without a look at the object storage (RFC 3501 §6.4.5)."""

from dataclasses import dataclass

from mailmsg.header import Selection, select_fields
from mailmsg.parts import decode_parts
from mailproto.imap.fetch_items import Section, Text
from mailstore import StoredMessage


@dataclass(frozen=True, slots=True)
class Inside:
    """The section is these octets of prefix and body."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Fields:
    """The section is a selection of the header that lies here."""

    header: Inside


def locate(message: StoredMessage, section: Section) -> Inside | Fields | None:
    """None where the message has no such part."""
    front = len(message.prefix)
    if not section.part:
        header_octets = front + message.header_octets
        match section.text:
            case Text.ALL:
                return Inside(0, message.size_octets)
            case Text.HEADER:
                return Inside(0, header_octets)
            case Text.HEADER_FIELDS | Text.HEADER_FIELDS_NOT:
                return Fields(Inside(0, header_octets))
            case Text.TEXT:
                return Inside(header_octets, message.size_octets - header_octets)
            case Text.MIME:
                return None
    index = decode_parts(message.parts)
    match section.text:
        case Text.ALL:
            place = index.resolve(section.part, "BODY")
        case Text.TEXT:
            place = index.resolve(section.part, "TEXT")
        case Text.MIME:
            place = index.resolve(section.part, "MIME")
        case Text.HEADER | Text.HEADER_FIELDS | Text.HEADER_FIELDS_NOT:
            place = index.resolve(section.part, "HEADER")
    if place is None:
        return None
    inside = Inside(front + place[0], place[1])
    if section.text in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
        return Fields(inside)
    return inside


def select(header: bytes, section: Section) -> bytes:
    """The fields of HEADER.FIELDS or HEADER.FIELDS.NOT, with the blank line."""
    selection = Selection.NAMED if section.text is Text.HEADER_FIELDS else Selection.NOT_NAMED
    return select_fields(header, section.fields, selection)


def inline(message: StoredMessage, place: Inside) -> bytes | None:
    """These octets where prefix and header are at hand and hold them; else None."""
    if not message.header and message.header_octets:
        return None
    known = len(message.prefix) + len(message.header)
    if place.offset + place.length > known:
        return None
    return (message.prefix + message.header)[place.offset : place.offset + place.length]


def cut(place: Inside, partial: tuple[int, int] | None) -> Inside:
    """The part of it that a partial asks for."""
    if partial is None:
        return place
    start = min(partial[0], place.length)
    return Inside(place.offset + start, min(partial[1], place.length - start))
