"""A message in binary or 8 bits made one that every system takes (RFC 2045 §6, RFC 3030 §3, RFC 6152 §3).

The bodies that need it are encoded in base64, or in quoted-printable where that is text with few characters outside
ASCII; fields that say `8bit` or `binary` of what is now 7bit are put right. Everything else stays octet for octet.
What is signed (multipart/signed) must not be touched, and a header outside ASCII cannot be encoded away: then there is
no such message, and CannotConvert says why.

Linear in the message's size. DKIM signatures that cover a body hold no more where that body was encoded.
"""

import base64
import binascii
import re

from mailmsg.header import fields
from mailmsg.tree import Entity, Kind, TooComplex, scan

LINE_OCTETS = 998
IDENTITIES = frozenset((b"7bit", b"8bit", b"binary"))
# RFC 2045 §2.7: ASCII without NUL, CR and LF only together, lines of at most 998 octets.
SEVEN_BIT = re.compile(rb"(?:[\x01-\x09\x0b\x0c\x0e-\x7f]{0,998}+(?:\r\n|\Z))*+")
TEXT = re.compile(rb"(?:[^\0\r\n]*+(?:\r\n|\Z))*+")
OUTSIDE_ASCII = bytes(range(128, 256))
# Quoted-printable takes three octets for each of these, base64 four for any three.
QUOTED_SHARE = 6


class CannotConvert(ValueError):
    """There is no 7-bit form of this message that means the same."""


def is_seven_bit(octets: bytes) -> bool:
    """Whether every system takes it as it is."""
    return SEVEN_BIT.fullmatch(octets) is not None


def to_seven_bit(message: bytes) -> bytes:
    """Raises CannotConvert."""
    if is_seven_bit(message) and not _labelled(message):
        return message
    try:
        root = scan(message)
    except TooComplex as error:
        raise CannotConvert("it has too many parts to look at") from error
    pieces: list[bytes] = []
    position = 0
    stack = [(root, False)]
    while stack:
        entity, is_signed = stack.pop()
        header = message[entity.header_offset : entity.body_offset]
        if not header.isascii():
            raise CannotConvert("its header, or one inside it, is not ASCII")
        body, encoding = None, entity.encoding
        if entity.kind is Kind.LEAF:
            body, encoding = _leaf(message, entity)
        elif encoding in (b"8bit", b"binary"):
            # What is inside is 7bit now.
            encoding = b"7bit"
        if encoding != entity.encoding or body is not None:
            if is_signed:
                raise CannotConvert("a part of it that is signed would have to be encoded")
            pieces += (message[position : entity.header_offset], _relabelled(header, entity, encoding, root))
            position = entity.body_offset
            if body is not None:
                pieces.append(body)
                position = entity.body_end
        is_signed = is_signed or (entity.content_type.maintype, entity.content_type.subtype) == (
            b"multipart",
            b"signed",
        )
        stack.extend((child, is_signed) for child in reversed(entity.children))
    converted = b"".join((*pieces, message[position:]))
    if not is_seven_bit(converted):
        raise CannotConvert("it has octets outside ASCII where nothing can be encoded")
    return converted


def _labelled(message: bytes) -> bool:
    """Whether a field may call something 8bit or binary; what is none in the end is not changed."""
    return b"8bit" in message.lower() or b"binary" in message.lower()


def _leaf(message: bytes, entity: Entity) -> tuple[bytes | None, bytes]:
    """The encoded body, None where it is 7bit as it is, and the encoding's name."""
    if entity.encoding not in IDENTITIES:
        return None, entity.encoding
    body = message[entity.body_offset : entity.body_end]
    if is_seven_bit(body):
        return None, b"7bit"
    is_last = entity.body_end == len(message)
    if (
        entity.content_type.maintype == b"text"
        and TEXT.fullmatch(body)
        and (len(body) - len(body.translate(None, OUTSIDE_ASCII))) * QUOTED_SHARE <= len(body)
    ):
        return _quoted_printable(body), b"quoted-printable"
    encoded = base64.encodebytes(body).replace(b"\n", b"\r\n")
    return encoded if is_last else encoded.removesuffix(b"\r\n"), b"base64"


def _quoted_printable(body: bytes) -> bytes:
    """Line by line: the library takes the line ends of soft breaks from what it finds first.

    Never all lines as a list: of a large message of short ones that is many times its size.
    """
    made = bytearray()
    start = 0
    while (end := body.find(b"\r\n", start)) >= 0:
        made += _quoted_line(body[start:end]) + b"\r\n"
        start = end + 2
    made += _quoted_line(body[start:])
    return bytes(made)


def _quoted_line(line: bytes) -> bytes:
    return binascii.b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") if line else line


def _relabelled(header: bytes, entity: Entity, encoding: bytes, root: Entity) -> bytes:
    """The header with that encoding; of text that did not say what it is, that nobody knows (RFC 1428 §3)."""
    kept = []
    names = set()
    for field in fields(header):
        name = field.name.lower()
        names.add(name)
        if name != b"content-transfer-encoding":
            kept.append(field.raw if field.raw.endswith(b"\n") else field.raw + b"\r\n")
    if entity is root and b"mime-version" not in names:
        kept.append(b"MIME-Version: 1.0\r\n")
    if entity.kind is Kind.LEAF and encoding != b"7bit" and b"content-type" not in names:
        kept.append(b"Content-Type: text/plain; charset=unknown-8bit\r\n")
    kept += (b"Content-Transfer-Encoding: ", encoding, b"\r\n\r\n")
    return b"".join(kept)
