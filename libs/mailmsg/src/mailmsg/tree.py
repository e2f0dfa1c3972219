"""The MIME tree of a message, with the offset of every part (RFC 2045, 2046).

Theory of operation: one walk from front to end. A stack holds the entities that are open: multiparts, messages
inside messages, and at its top the leaf whose body is passing by. Between two delimiter lines nothing is looked at
octet by octet: the next line that starts with two hyphens is found by `bytes.find`, and one look-up in a table of the
boundaries now open says whether it is a delimiter, and whose. A delimiter of an outer multipart closes all that is
open inside it. So the time is linear in the size, whatever the nesting, and nothing recurses.

Limits: an entity nested deeper than MAX_DEPTH is one opaque leaf, and its neighbours are still found. A message with
more parts, more header octets in its parts, or more lines that look like delimiters than the limits is opaque as a
whole: `scan` says so by raising TooComplex.
"""

from __future__ import annotations

import re
from enum import Enum

from mailmsg.address import MAX_LIST_OCTETS
from mailmsg.content import (
    MESSAGE_RFC822,
    OPAQUE,
    TEXT_PLAIN,
    ContentType,
    parse_content_type,
    parse_encoding,
)
from mailmsg.header import header_end, unfold

MAX_DEPTH = 64
MAX_PARTS = 1000
MAX_BOUNDARY_OCTETS = 200
"""RFC 2046 §5.1.1 allows 70."""
MAX_HEADER_READ_OCTETS = 256 * 1024
"""Fields further down in one header block are not read."""
MAX_HEADERS_READ_OCTETS = 1024 * 1024
"""Of all header blocks of a message together."""
MAX_HYPHEN_LINES = 500_000

_LONGEST_DELIMITER_OCTETS = MAX_BOUNDARY_OCTETS + 64  # Hyphens and the padding that RFC 2046 §5.1.1 allows.
_FIRST_WINDOW_OCTETS = 4096
_NAMES = (
    rb"(date|subject|from|sender|reply-to|to|cc|bcc|in-reply-to|message-id|list-id|"
    rb"content-(?:type|transfer-encoding|id|description|disposition|md5|language|location))"
)
_VALUE = rb"[ \t]*+:((?:[^\n]*+\n(?=[ \t]))*+[^\n]*+)"
_FIRST_FIELD = re.compile(_NAMES + _VALUE, re.IGNORECASE)
_LATER_FIELD = re.compile(rb"\n" + _NAMES + _VALUE, re.IGNORECASE)
# "Where multiple occurrences of destination address fields occur, treat as one list" (RFC 5322 §4.5.3).
_LISTS = frozenset({b"to", b"cc", b"bcc"})
_IDENTITY_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary"})


class TooComplex(Exception):
    """The message goes beyond the limits: describe it as one opaque part."""


class Kind(Enum):
    """What an entity holds."""

    LEAF = "leaf"
    MULTIPART = "multipart"
    MESSAGE = "message"


class Entity:
    """One entity: a message or a body part. `header_offset`..`body_offset` is its header with the blank line."""

    __slots__ = (
        "body_end",
        "body_offset",
        "boundary",
        "children",
        "content_type",
        "encoding",
        "header_offset",
        "kind",
        "outer_holder",
        "values",
    )

    def __init__(self, header_offset: int) -> None:
        self.header_offset = header_offset
        self.body_offset = header_offset
        self.body_end = header_offset
        self.kind = Kind.LEAF
        self.content_type: ContentType = TEXT_PLAIN
        self.encoding = b"7bit"
        self.values: dict[bytes, bytes] = {}
        """The raw values of the fields that matter here, by lower case name."""
        self.children: list[Entity] = []
        """Of a multipart its parts; of a message/rfc822 the one message inside."""
        self.boundary: bytes | None = None
        self.outer_holder: Entity | None = (
            None  # Who held the same boundary before: multiparts may repeat it.
        )


def scan(message: bytes) -> Entity:
    """The root of the message's tree. Raises TooComplex."""
    return _Scanner(message).scan()


class _Scanner:
    def __init__(self, message: bytes) -> None:
        self._message = message
        self._stack: list[Entity] = []
        self._holders: dict[bytes, Entity] = {}  # Open boundaries.
        self._parts = 0
        self._headers_octets = 0
        self._hyphen_lines = 0

    def scan(self) -> Entity:
        message = self._message
        root = Entity(0)
        position = self._open(root, TEXT_PLAIN)
        while self._holders:
            delimiter = self._next_delimiter(position, len(message))
            if delimiter is None:
                break
            line_start, line_end, holder, closing = delimiter
            self._close_inside(holder, line_start)
            if closing:
                self._release(holder)
                position = line_end - 1
                continue
            part = Entity(line_end)
            holder.children.append(part)
            default = MESSAGE_RFC822 if holder.content_type.subtype == b"digest" else TEXT_PLAIN
            position = self._open(part, default)
        while self._stack:
            self._close(self._stack.pop(), len(message))
        return root

    def _open(self, entity: Entity, default: ContentType) -> int:
        """Read the entity's header, and those of messages that begin with it; gives where to look for delimiters."""
        while True:
            self._parts += 1
            if self._parts > MAX_PARTS:
                raise TooComplex
            self._stack.append(entity)
            body_offset, cut_short = self._header_end(entity.header_offset)
            entity.body_offset = body_offset
            self._read_fields(entity, default)
            if cut_short or entity.kind is Kind.LEAF:
                entity.kind = Kind.LEAF
                return body_offset - 1 if body_offset else 0
            if entity.kind is Kind.MULTIPART:
                assert entity.boundary is not None
                entity.outer_holder = self._holders.get(entity.boundary)
                self._holders[entity.boundary] = entity
                return body_offset - 1
            inner = Entity(body_offset)
            entity.children.append(inner)
            entity = inner
            default = TEXT_PLAIN

    def _header_end(self, start: int) -> tuple[int, bool]:
        """Where the body begins, and whether a delimiter line came before any blank line.

        The header is searched in growing windows, so that what is read is soon behind us: linear in all.
        """
        message = self._message
        end = len(message)
        if not self._holders:
            found = header_end(message, start)
            return (end if found is None else found), False
        window = _FIRST_WINDOW_OCTETS
        while True:
            limit = min(start + window, end)
            found = header_end(message, start, limit)
            # A delimiter line may follow the delimiter line at once: look from the line feed before `start`.
            delimiter = self._next_delimiter(start - 1, limit if found is None else found)
            if delimiter is not None:
                return delimiter[0], True
            if found is not None:
                return found, False
            if limit == end:
                return end, False
            window *= 4

    def _read_fields(self, entity: Entity, default: ContentType) -> None:
        message = self._message
        start = entity.header_offset
        end = min(entity.body_offset, start + MAX_HEADER_READ_OCTETS)
        self._headers_octets += end - start
        if self._headers_octets > MAX_HEADERS_READ_OCTETS:
            raise TooComplex
        values = entity.values
        first = _FIRST_FIELD.match(message, start, end)
        if first is not None:
            values[first[1].lower()] = first[2]
            start = first.end()
        for found in _LATER_FIELD.finditer(message, start, end):
            name, value = found.groups()
            name = name.lower()
            if name not in values:
                values[name] = value
            elif name in _LISTS and len(values[name]) < MAX_LIST_OCTETS:
                values[name] += b"," + value
        entity.encoding = parse_encoding(values.get(b"content-transfer-encoding"))
        type_value = values.get(b"content-type")
        entity.content_type = content_type = (
            default if type_value is None else parse_content_type(unfold(type_value)) or TEXT_PLAIN
        )
        if content_type.maintype == b"multipart":
            self._decide_multipart(entity)
        elif content_type.holds_entities:
            if len(self._stack) <= MAX_DEPTH and entity.encoding in _IDENTITY_ENCODINGS:
                entity.kind = Kind.MESSAGE
            else:
                entity.content_type = OPAQUE

    def _decide_multipart(self, entity: Entity) -> None:
        boundary = (entity.content_type.parameter(b"boundary") or b"").rstrip(b" \t")
        if len(self._stack) > MAX_DEPTH:
            entity.content_type = OPAQUE
        elif boundary and len(boundary) <= MAX_BOUNDARY_OCTETS:
            entity.boundary = boundary
            entity.kind = Kind.MULTIPART
        else:
            entity.content_type = TEXT_PLAIN

    def _next_delimiter(self, position: int, limit: int) -> tuple[int, int, Entity, bool] | None:
        """The next delimiter line of an open multipart that starts after a line feed at `position` or later and
        before `limit`: its start, its end (after the line feed), whose it is, and whether it is the closing one."""
        message = self._message
        holders = self._holders
        find = message.find
        end = len(message)
        while True:
            line_feed = find(b"\n--", position, limit)
            if line_feed < 0:
                return None
            self._hyphen_lines += 1
            if self._hyphen_lines > MAX_HYPHEN_LINES:
                raise TooComplex
            line_start = line_feed + 1
            longest = line_start + _LONGEST_DELIMITER_OCTETS
            line_end = find(b"\n", line_start + 2, longest) + 1
            if not line_end and longest >= end:
                line_end = end
            if line_end:
                text = message[line_start + 2 : line_end].rstrip(b" \t\r\n")
                holder = holders.get(text)
                if holder is not None:
                    return line_start, line_end, holder, False
                if text.endswith(b"--") and (holder := holders.get(text[:-2])) is not None:
                    return line_start, line_end, holder, True
            position = line_start + 2

    def _close_inside(self, holder: Entity, line_start: int) -> None:
        """Close all that is open inside the multipart: its bodies end before the line end that a delimiter owns."""
        message = self._message
        end = line_start - 1
        if end and message[end - 1] == 13:
            end -= 1
        stack = self._stack
        while stack[-1] is not holder:
            entity = stack.pop()
            self._close(entity, max(end, entity.body_offset))
            self._release(entity)

    def _close(self, entity: Entity, body_end: int) -> None:
        entity.body_end = body_end
        if not entity.children and entity.kind is not Kind.LEAF:
            # A multipart without a single delimiter line: what is there is text (RFC 2045 §5.2).
            entity.kind = Kind.LEAF
        if entity.kind is Kind.LEAF and entity.content_type.holds_entities:
            entity.content_type = TEXT_PLAIN

    def _release(self, entity: Entity) -> None:
        boundary = entity.boundary
        if boundary is not None and self._holders.get(boundary) is entity:
            if entity.outer_holder is None:
                del self._holders[boundary]
            else:
                self._holders[boundary] = entity.outer_holder
