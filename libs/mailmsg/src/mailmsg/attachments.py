"""Whether a message has attachments: what a reader's program shows with a paper clip.

The rule is that of RFC 8621 §4.1.4 (`hasAttachment`), with what it leaves to the server decided so:

| a part | is one |
|---|---|
| whose Content-Disposition is something else than inline (RFC 2183 §2.8: what is not known is an attachment) | yes |
| with Content-Disposition: inline | no |
| of multipart/alternative: another form of the same | no |
| of multipart/related, not the first, with a Content-ID or Content-Location: shown where the first refers to it | no |
| of multipart/signed or multipart/report, not the first: read by programs | no |
| text/plain or text/html | if it has a name and is not the first of its multipart |
| image, audio, video | no: shown where it stands |
| anything else, a message inside too | yes |

The first line that fits counts; what is inside a message inside is not looked at. What is encrypted (multipart/encrypted,
application/pkcs7-mime) cannot be told of: None, unless there is an attachment beside it.
"""

from __future__ import annotations

from mailmsg.content import parse_disposition
from mailmsg.header import unfold
from mailmsg.tree import Entity, Kind

_SHOWN_IN_PLACE = frozenset({b"image", b"audio", b"video"})
_BODIES = frozenset({b"plain", b"html"})
_FOR_PROGRAMS = frozenset({b"signed", b"report"})
_CLOSED = frozenset({b"pkcs7-mime", b"x-pkcs7-mime"})
_REFERRED_BY = frozenset({b"content-id", b"content-location"})


def has_attachments(root: Entity) -> bool | None:
    """Of a message's tree; None where it cannot be told."""
    closed = False
    # A part, the subtype of the multipart that it is in, its place there.
    waiting: list[tuple[Entity, bytes, int]] = [(root, b"", 0)]
    while waiting:
        entity, within, place = waiting.pop()
        if entity.kind is Kind.MULTIPART:
            subtype = entity.content_type.subtype
            if subtype == b"encrypted":
                closed = True
            else:
                waiting.extend((child, subtype, number) for number, child in enumerate(entity.children))
        elif _is_closed(entity):
            closed = True
        elif _is_attachment(entity, within, place):
            return True
    return None if closed else False


def _is_closed(entity: Entity) -> bool:
    content_type = entity.content_type
    return content_type.maintype == b"application" and content_type.subtype in _CLOSED


def _is_attachment(entity: Entity, within: bytes, place: int) -> bool:
    disposition = _disposition(entity)
    if disposition:
        return disposition != b"inline"
    if within == b"alternative":
        return False
    if place and within == b"related" and not entity.values.keys().isdisjoint(_REFERRED_BY):
        return False
    if place and within in _FOR_PROGRAMS:
        return False
    content_type = entity.content_type
    if content_type.maintype == b"text" and content_type.subtype in _BODIES:
        return place > 0 and _has_name(entity)
    return content_type.maintype not in _SHOWN_IN_PLACE


def _disposition(entity: Entity) -> bytes:
    """In lower case; empty where there is none that can be read."""
    value = entity.values.get(b"content-disposition")
    found = None if value is None else parse_disposition(unfold(value))
    return b"" if found is None else found[0]


def _has_name(entity: Entity) -> bool:
    """A `name` of Content-Type, in the pieces of RFC 2231 too."""
    return any(name.partition(b"*")[0] == b"name" and value for name, value in entity.content_type.parameters)
