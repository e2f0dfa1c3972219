"""The texts in a message's body: which parts they are, and what they say (RFC 2045, RFC 2046 §4.1).

HTML is what a reader sees of it, without its markup (`markup.py`).
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Protocol

from mailmodel.collation import casemap
from mailmsg.charset import codec_of
from mailmsg.content import parse_content_type
from mailmsg.header import first_value
from mailmsg.parts import Part, decode_parts
from mailstore import BodyCorrupt, MailStore, StoredMessage

from imap.core.decoding import Plain, decode, decoder
from imap.core.markup import from_html
from imap.core.turns import looked_through
from imap.ports import Documents

# Of a longer text only the beginning is looked through.
TEXT_OCTETS = 4 * 1024 * 1024
# Of a message's documents so many are read, none that is longer with its transfer encoding.
MOST_DOCUMENTS = 20
DOCUMENT_OCTETS = 12 * 1024 * 1024
DOCUMENT_TYPES = ("application/pdf", "application/x-pdf", "application/octet-stream")
DOCUMENT_FAMILIES = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")


def text_parts(message: StoredMessage) -> Iterator[Part]:
    """Parts of type text/*, in order."""
    for part in decode_parts(message.parts).parts:
        if part.section and part.media_type.startswith("text/"):
            yield part


def document_parts(message: StoredMessage) -> list[Part]:
    """Parts that may be documents whose texts can be read; which they are, they say themselves (`imap.documents`)."""
    found = []
    for part in decode_parts(message.parts).parts:
        is_one = part.media_type in DOCUMENT_TYPES or part.media_type.startswith(DOCUMENT_FAMILIES)
        if part.section and is_one and part.body_octets <= DOCUMENT_OCTETS:
            found.append(part)
    return found[:MOST_DOCUMENTS]


class Reads(Protocol):
    """Whoever reads messages."""

    @property
    def store(self) -> MailStore:
        """Where they are."""


async def whole_text(reader: Reads, message: StoredMessage, whole: bytes | None) -> str:
    """The texts of a message's body, decoded, as they are compared."""
    texts = []
    for part in text_parts(message):
        try:
            text = await read_text(reader, message, part, TEXT_OCTETS, whole)
        except BodyCorrupt:
            continue
        if part.media_type == "text/html":
            text = await looked_through(len(text), partial(from_html, text))
        texts.append(text)
    text = "\n".join(texts)
    return await looked_through(len(text), partial(casemap, text))


async def document_texts(reader: Reads, message: StoredMessage, documents: Documents) -> str:
    """The texts of what is attached, as they are compared. Raises BodyCorrupt."""
    texts = []
    for part in document_parts(message):
        start = len(message.prefix) + part.body_offset
        data = await reader.store.read(message, start, part.body_octets)
        document = await asyncio.to_thread(decode, decoder(part.encoding, "") or Plain, data)
        texts.append(await documents.text_of(document))
    return casemap("\n".join(filter(None, texts)))


async def read_text(
    session: Reads, message: StoredMessage, part: Part, octets: int, whole: bytes | None = None
) -> str:
    """Up to so many octets of a part's body, without its transfer encoding, as text. What cannot be decoded is marked.

    `whole` is the message where it has been read already.
    """
    header_octets = part.body_offset - part.header_offset
    start = len(message.prefix) + part.header_offset
    end = start + header_octets + min(part.body_octets, octets)
    data = whole[start:end] if whole is not None else await session.store.read(message, start, end - start)
    body = decode(decoder(part.encoding, "") or Plain, data[header_octets:])
    return _as_text(body, _charset(data[:header_octets]))


def _as_text(octets: bytes, charset: str) -> str:
    """What Python calls a codec is not always a charset, and some take more than linear time."""
    try:
        return octets.decode(codec_of(charset) or "utf-8", "replace")
    except ValueError:
        return octets.decode("utf-8", "replace")


def _charset(header: bytes) -> str:
    value = first_value(header, b"content-type")
    content_type = parse_content_type(value) if value is not None else None
    if content_type is not None:
        for name, given in content_type.parameters:
            if name.lower() == b"charset":
                return given.decode("ascii", "replace")
    return "utf-8"
