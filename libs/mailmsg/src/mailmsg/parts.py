"""The part index of a message: where each MIME part lies, and what a section number of IMAP means in octets.

`mailmsg.facts` builds the index once, when the message enters; it is kept as a few octets a part beside the
message. `PartIndex.resolve` then turns `BODY[2.1.HEADER]` into (offset, length) without looking at the message,
so that a part is one ranged read. All offsets count from the first octet of the message as received; what a
service puts in front of it (the prefix) shifts them by the prefix's length.

The section numbers are those of RFC 3501 §6.4.5 (RFC 9051 §6.4.5): `()` is the whole message; the only part of a
message that is not a multipart is 1; the parts of the message inside a message/rfc822 part 2 are 2.1, 2.2 ….
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SectionText = Literal["BODY", "HEADER", "TEXT", "MIME"]

_VERSION = 1


class MalformedParts(ValueError):
    """The octets are not what `encode_parts` makes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `media_type` and `encoding` are lower case. Offsets and sizes are octets.

    `header_offset`..`body_offset` is the part's MIME header with its blank line; `body_offset` + `body_octets` is
    its end. `text_offset` is `body_offset`, but for message/rfc822 it is where the text of the message inside
    begins: `body_offset`..`text_offset` is that message's own header block.
    """

    section: tuple[int, ...]
    media_type: str
    encoding: str
    header_offset: int
    body_offset: int
    body_octets: int
    text_offset: int

    @property
    def holds_message(self) -> bool:
        """True where the body is itself a message whose header and text can be asked for."""
        return self.media_type in ("message/rfc822", "message/global") and bool(self.section)


class PartIndex:
    """The parts of one message, by section number. The first part, `()`, is the message itself."""

    __slots__ = ("_by_section", "parts")

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts: tuple[Part, ...] = tuple(parts)
        self._by_section = {part.section: part for part in self.parts}

    def get(self, section: tuple[int, ...]) -> Part | None:
        """The part with this number, or None."""
        return self._by_section.get(section)

    def resolve(self, section: tuple[int, ...], text: SectionText) -> tuple[int, int] | None:
        """(offset, length) of a section in the message as received; None where the message has no such section.

        HEADER and TEXT exist for the whole message and for message/rfc822 parts, MIME for numbered parts
        (RFC 9051 §6.4.5.1).
        """
        part = self._by_section.get(section)
        if part is None:
            return None
        end = part.body_offset + part.body_octets
        if not section:
            if text == "BODY":
                return part.header_offset, end - part.header_offset
            if text == "HEADER":
                return part.header_offset, part.body_offset - part.header_offset
            return (part.body_offset, part.body_octets) if text == "TEXT" else None
        if text == "BODY":
            return part.body_offset, part.body_octets
        if text == "MIME":
            return part.header_offset, part.body_offset - part.header_offset
        if not part.holds_message:
            return None
        if text == "HEADER":
            return part.body_offset, part.text_offset - part.body_offset
        return part.text_offset, end - part.text_offset


def encode_parts(parts: Sequence[Part]) -> bytes:
    """A version octet, then each part: section, offsets and sizes as LEB128 numbers, the two names length first."""
    out = bytearray((_VERSION,))
    for part in parts:
        media_type = part.media_type.encode("latin-1", "replace")[:255]
        encoding = part.encoding.encode("latin-1", "replace")[:255]
        for number in (
            len(part.section),
            *part.section,
            part.header_offset,
            part.body_offset,
            part.body_octets,
            part.text_offset,
        ):
            while number > 0x7F:
                out.append(number & 0x7F | 0x80)
                number >>= 7
            out.append(number)
        out.append(len(media_type))
        out += media_type
        out.append(len(encoding))
        out += encoding
    return bytes(out)


def decode_parts(data: bytes) -> PartIndex:
    """The reverse of `encode_parts`. Raises MalformedParts."""
    if not data or data[0] != _VERSION:
        raise MalformedParts("unknown version of a part index")
    position = 1
    end = len(data)
    parts: list[Part] = []

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            octet = data[position]
            position += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise MalformedParts("a number is too long")

    def name() -> str:
        nonlocal position
        start = position + 1
        position = start + data[position]
        if position > end:
            raise MalformedParts("the part index is cut short")
        return data[start:position].decode("latin-1")

    try:
        while position < end:
            depth = number()
            if depth > end:
                raise MalformedParts("a section number is too long")
            section = tuple(number() for _ in range(depth))
            header_offset, body_offset, body_octets, text_offset = number(), number(), number(), number()
            parts.append(
                Part(section, name(), name(), header_offset, body_offset, body_octets, text_offset),
            )
    except IndexError:
        raise MalformedParts("the part index is cut short") from None
    return PartIndex(parts)
