"""The parts of a message, and what may be done with them (RFC 5173, RFC 5703).

A `Part` wraps an entity of `mailmsg.tree`. A part may be replaced by another: then it shows the new content at once,
and the parts around it remember to put it in when the message is written out.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from mailmsg.charset import codec_of
from mailmsg.content import OPAQUE, ContentType, Parameters
from mailmsg.header import header_end
from mailmsg.tree import Entity, Kind, TooComplex, scan
from mailmsg.words import decode_words

from sieve.header_block import HeaderBlock
from sieve.markup import text_of_html

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
MAX_CONTINUATIONS = 64


class Part:
    """One part: the message itself, a body part, or the message within a message/rfc822 part."""

    __slots__ = ("_header", "_is_changed", "_slot", "children", "entity", "parent", "section", "source")

    def __init__(self, source: bytes, entity: Entity, parent: Part | None, section: tuple[int, ...]) -> None:
        self.source = source
        self.entity = entity
        self.section = section
        """Numbers of children on the way down from the message; empty for the message."""
        self.parent = parent
        """The part that it lies in, None for the message."""
        self._slot = (entity.header_offset, entity.body_end)
        self._header: HeaderBlock | None = None
        self._is_changed = False
        self.children: list[Part] = [
            Part(source, child, self, (*section, number)) for number, child in enumerate(entity.children, 1)
        ]

    @property
    def header(self) -> HeaderBlock:
        """The part's header."""
        if self._header is None:
            self._header = HeaderBlock(self.source[self.entity.header_offset : self.entity.body_offset])
        return self._header

    @header.setter
    def header(self, header: HeaderBlock) -> None:
        self._header = header

    @property
    def is_changed(self) -> bool:
        """True where this part, or one in it, was replaced."""
        return self._is_changed

    @property
    def content_type(self) -> ContentType:
        """What it holds, by its header or by default (RFC 2045 §5.2)."""
        return self.entity.content_type

    @property
    def size_octets(self) -> int:
        """Of its body as received."""
        return self.entity.body_end - self.entity.body_offset

    def walk(self) -> Iterator[Part]:
        """The part and all in it, depth first. A part that is replaced on the way is not gone into."""
        stack = [self]
        while stack:
            part = stack.pop()
            children = part.children
            yield part
            if part.children is children:
                stack.extend(reversed(children))

    def replace(self, content: bytes) -> None:
        """Let this part be the entity in `content`, from now on."""
        new = read_parts(content)
        self.source, self.entity, self._header = new.source, new.entity, None
        self.children = new.children
        for number, child in enumerate(self.children, 1):
            child._adopt(self, (*self.section, number))
        part: Part | None = self
        while part is not None:
            part._is_changed = True
            part = part.parent

    def _adopt(self, parent: Part, section: tuple[int, ...]) -> None:
        self.parent = parent
        self.section = section
        for number, child in enumerate(self.children, 1):
            child._adopt(self, (*section, number))

    def render(self) -> bytes:
        """The part with its header as the source has it."""
        header = self.source[self.entity.header_offset : self.entity.body_offset]
        return header + self.render_body()

    def render_body(self) -> bytes:
        """What follows the header, with what was replaced."""
        position = self.entity.body_offset
        pieces: list[bytes] = []
        for child in self.children:
            if child._is_changed:
                start, end = child._slot
                pieces.append(self.source[position:start])
                pieces.append(child.render())
                position = end
        pieces.append(self.source[position : self.entity.body_end])
        return b"".join(pieces)

    def prologue_and_epilogue(self) -> tuple[bytes, bytes]:
        """Of a multipart: what stands before its first delimiter line and behind its last (RFC 5173 §5.2)."""
        if not self.children:
            return b"", b""
        source = self.source
        first = self.children[0]._slot[0]
        delimiter = max(source.rfind(b"\n", 0, first - 1) + 1, self.entity.body_offset)
        closing = source.find(b"\n--", self.children[-1]._slot[1], self.entity.body_end)
        after = -1 if closing < 0 else source.find(b"\n", closing + 1, self.entity.body_end)
        epilogue = b"" if after < 0 else source[after + 1 : self.entity.body_end]
        return source[self.entity.body_offset : delimiter], epilogue

    def decoded(self, limit_octets: int) -> bytes:
        """The body without its transfer encoding, cut off at the limit; as it stands where it can't be decoded."""
        start, end = self.entity.body_offset, self.entity.body_end
        encoding = self.entity.encoding
        if encoding == b"base64":
            raw = self.source[start : min(end, start + limit_octets // 3 * 4 + limit_octets // 16)]
            return _base64(raw)[:limit_octets]
        if encoding == b"quoted-printable":
            return binascii.a2b_qp(self.source[start : min(end, start + 3 * limit_octets)])[:limit_octets]
        return self.source[start : min(end, start + limit_octets)]

    def text(self, limit_octets: int) -> bytes | None:
        """Of a text part: its text in UTF-8, or None where the charset is unknown or the text is not in it."""
        charset = (self.content_type.parameter(b"charset") or b"us-ascii").decode("ascii", "replace")
        return transcoded(self.decoded(limit_octets), charset)

    def readable_text(self, limit_octets: int) -> bytes:
        """Of a text part: what a reader sees, markup taken out (RFC 5173 §5.3)."""
        text = self.text(limit_octets)
        if text is None:
            text = self.decoded(limit_octets)
        if self.content_type.subtype in (b"html", b"xhtml"):
            return text_of_html(text.decode("utf-8", "replace")).encode("utf-8")
        return text


def read_parts(content: bytes) -> Part:
    """The parts of a message or MIME entity. What is too complex is one opaque part."""
    try:
        root = scan(content)
    except TooComplex:
        root = Entity(0)
        found = header_end(content)
        root.body_offset = len(content) if found is None else found
        root.body_end = len(content)
        root.content_type = OPAQUE
        root.kind = Kind.LEAF
    return Part(content, root, None, ())


def transcoded(octets: bytes, charset: str) -> bytes | None:
    """Text in UTF-8, or None where the charset is unknown, or the octets are none of it."""
    name = codec_of(charset)
    if name is None:
        return None
    if name == "ascii" and octets.isascii():
        return octets
    if name == "ascii":
        name = "utf-8"  # What calls itself ASCII and isn't is most often this.
    try:
        return octets.decode(name).encode("utf-8", "replace")
    except ValueError:
        return None


def parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """A parameter's value in UTF-8: with charset and continuations (RFC 2231), or with encoded words."""
    found = dict(reversed(parameters))
    if name + b"*" in found:
        return _extended(found[name + b"*"])
    if name + b"*0" in found or name + b"*0*" in found:
        pieces: list[bytes] = []
        charset = ""
        for number in range(MAX_CONTINUATIONS):
            key = name + b"*%d" % number
            if key + b"*" in found:
                value = found[key + b"*"]
                if number == 0 and value.count(b"'") >= 2:
                    label, _, value = value.split(b"'", 2)
                    charset = label.decode("ascii", "replace")
                pieces.append(unquote_to_bytes(value))
            elif key in found:
                pieces.append(found[key])
            else:
                break
        joined = b"".join(pieces)
        return (transcoded(joined, charset) if charset else None) or joined
    plain = found.get(name)
    return None if plain is None else decode_words(plain).encode("utf-8", "replace")


def _extended(value: bytes) -> bytes:
    if value.count(b"'") < 2:
        return unquote_to_bytes(value)
    charset, _, text = value.split(b"'", 2)
    octets = unquote_to_bytes(text)
    return transcoded(octets, charset.decode("ascii", "replace") or "utf-8") or octets


def _base64(text: bytes) -> bytes:
    clean = _NOT_BASE64.sub(b"", text)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
