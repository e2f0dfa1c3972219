"""BODYSTRUCTURE and BODY in their wire forms (RFC 9051 §7.5.2, RFC 3501 §7.4.2), and the part index.

One walk over the tree makes all three. The walk recurses: `mailmsg.tree` gives no tree deeper than its MAX_DEPTH.
"""

from __future__ import annotations

from functools import lru_cache

from mailmsg.content import ContentType, Parameters, parse_disposition, parse_languages
from mailmsg.envelope import render_envelope
from mailmsg.header import unfold
from mailmsg.parts import Part
from mailmsg.tree import Entity, Kind, TooComplex
from mailmsg.wire import string

MAX_STRUCTURE_OCTETS = 128 * 1024
"""A message whose wire form would be longer is described as one opaque part."""

_LONGEST_WORD_OCTETS = 1024
_LONGEST_VALUE_OCTETS = 2048
_REMEMBERED_OCTETS = 64


def render(message: bytes, root: Entity) -> tuple[bytes, bytes, list[Part]]:
    """(BODYSTRUCTURE, BODY, parts in the order of their section numbers). Raises TooComplex."""
    walk = _Walk(message, root)
    structure, body = walk.message(root, ())
    return structure, body, walk.parts


class _Walk:
    def __init__(self, message: bytes, root: Entity) -> None:
        self._lines = _LineCounter(message, root)
        self._octets = 0
        self.parts = [_part((), root)]

    def _spend(self, octets: int) -> None:
        self._octets += octets
        if self._octets > MAX_STRUCTURE_OCTETS:
            raise TooComplex

    def message(self, root: Entity, section: tuple[int, ...]) -> tuple[bytes, bytes]:
        """The two forms of a message: the whole one, or the one inside part `section`."""
        if root.kind is Kind.MULTIPART:
            return self._multipart(root, section)  # Its parts are numbered as if they were the message's own.
        return self._numbered(root, (*section, 1))

    def _numbered(self, entity: Entity, section: tuple[int, ...]) -> tuple[bytes, bytes]:
        self.parts.append(_part(section, entity))
        return (self._multipart if entity.kind is Kind.MULTIPART else self._single)(entity, section)

    def _multipart(self, entity: Entity, section: tuple[int, ...]) -> tuple[bytes, bytes]:
        forms = [self._numbered(child, (*section, number)) for number, child in enumerate(entity.children, 1)]
        subtype = string(entity.content_type.subtype.upper(), _LONGEST_WORD_OCTETS)
        tail = b" %s%s" % (_parameters(entity.content_type.parameters), _where(entity))
        self._spend(len(subtype) + len(tail) + 3)
        structures = b"".join([structure for structure, _ in forms])
        bodies = b"".join([body for _, body in forms])
        return b"(%s %s%s)" % (structures, subtype, tail), b"(%s %s)" % (bodies, subtype)

    def _single(self, entity: Entity, section: tuple[int, ...]) -> tuple[bytes, bytes]:
        values = entity.values
        content_type = entity.content_type
        body_octets = entity.body_end - entity.body_offset
        basic = b"(%s %s %s %s %d" % (
            _type(content_type),
            _text(values.get(b"content-id")),
            _text(values.get(b"content-description")),
            string(entity.encoding.upper(), _LONGEST_WORD_OCTETS),
            body_octets,
        )
        extension = b" %s%s" % (_text(values.get(b"content-md5")), _where(entity))
        if entity.kind is Kind.MESSAGE:
            inner = entity.children[0]
            envelope = render_envelope(inner.values)
            self._spend(len(basic) + len(envelope) + len(extension) + 16)
            structure, body = self.message(inner, section)
            lines = self._lines.count(entity)
            return (
                b"%s %s %s %d%s)" % (basic, envelope, structure, lines, extension),
                b"%s %s %s %d)" % (basic, envelope, body, lines),
            )
        if content_type.maintype == b"text":
            basic = b"%s %d" % (basic, self._lines.count(entity))
        self._spend(len(basic) + len(extension) + 1)
        return b"%s%s)" % (basic, extension), basic + b")"


def _part(section: tuple[int, ...], entity: Entity) -> Part:
    content_type = entity.content_type
    inner = entity.children[0] if entity.kind is Kind.MESSAGE else entity
    return Part(
        section,
        (content_type.maintype + b"/" + content_type.subtype).decode("latin-1"),
        entity.encoding.decode("latin-1"),
        entity.header_offset,
        entity.body_offset,
        entity.body_end - entity.body_offset,
        inner.body_offset,
    )


def _type(content_type: ContentType) -> bytes:
    """Type, subtype and parameters."""
    maintype, subtype, parameters = content_type.maintype, content_type.subtype, content_type.parameters
    octets = len(maintype) + len(subtype) + sum([len(name) + len(value) for name, value in parameters])
    return (_remembered if octets <= _REMEMBERED_OCTETS else _rendered)(maintype, subtype, parameters)


def _rendered(maintype: bytes, subtype: bytes, parameters: Parameters) -> bytes:
    return b"%s %s %s" % (
        string(maintype.upper(), _LONGEST_WORD_OCTETS),
        string(subtype.upper(), _LONGEST_WORD_OCTETS),
        _parameters(parameters),
    )


_remembered = lru_cache(maxsize=512)(_rendered)


def _where(entity: Entity) -> bytes:
    """Disposition, language, location: the extension data that all kinds share."""
    values = entity.values
    if not values:
        return b" NIL NIL NIL"
    disposition = values.get(b"content-disposition")
    shown = b"NIL"
    if disposition is not None and (parsed := parse_disposition(unfold(disposition))) is not None:
        shown = b"(%s %s)" % (string(parsed[0].upper(), _LONGEST_WORD_OCTETS), _parameters(parsed[1]))
    language = values.get(b"content-language")
    tags = () if language is None else parse_languages(unfold(language))
    spoken = b"NIL"
    if tags:
        spoken = b"(%s)" % b" ".join([string(tag, _LONGEST_WORD_OCTETS) for tag in tags])
    return b" %s %s %s" % (shown, spoken, _text(values.get(b"content-location")))


def _text(value: bytes | None) -> bytes:
    return b"NIL" if value is None else string(unfold(value), _LONGEST_WORD_OCTETS)


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(%s)" % b" ".join(
        [
            string(name.upper(), _LONGEST_WORD_OCTETS) + b" " + string(value, _LONGEST_VALUE_OCTETS)
            for name, value in parameters
        ],
    )


class _LineCounter:
    """Counts the line feeds of bodies. Messages nest, so each octet is counted once, between neighbouring marks."""

    def __init__(self, message: bytes, root: Entity) -> None:
        marks: set[int] = set()
        waiting = [root]
        while waiting:
            entity = waiting.pop()
            waiting.extend(entity.children)
            if entity.kind is Kind.MESSAGE or (
                entity.kind is Kind.LEAF and entity.content_type.maintype == b"text"
            ):
                marks.add(entity.body_offset)
                marks.add(entity.body_end)
        self._before: dict[int, int] = {}
        seen = last = 0
        for mark in sorted(marks):
            seen += message.count(b"\n", last, mark)
            self._before[mark] = seen
            last = mark

    def count(self, entity: Entity) -> int:
        return self._before[entity.body_end] - self._before[entity.body_offset]
