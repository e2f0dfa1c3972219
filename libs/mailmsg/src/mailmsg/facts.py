"""What is computed once, when a message enters, so that nobody has to parse it again.

The door calls `examine` on the octets that it received; the result travels in the envelope and is kept in the
metadata row. FETCH sends `envelope`, `bodystructure` and `body` as they are, takes header fields from `header`, and
turns section numbers into ranged reads by `parts` (`mailmsg.parts`).

`examine` is linear in the size of the message and never raises. What goes beyond the limits of `mailmsg.tree` and
`mailmsg.bodystructure` is opaque: such a message is described as one application/octet-stream part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailmsg.attachments import has_attachments
from mailmsg.bodystructure import render
from mailmsg.content import OPAQUE
from mailmsg.date import parse_date
from mailmsg.envelope import FIELD_NAMES, render_envelope
from mailmsg.header import fields, header_end
from mailmsg.list_id import list_id
from mailmsg.parts import encode_parts
from mailmsg.tree import MAX_HEADER_READ_OCTETS, Entity, TooComplex, scan

MAX_HEADER_KEPT_OCTETS = 32 * 1024


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What IMAP asks of a message, in the form in which it is sent.

    `header_octets`: the header block with its blank line. `header`: that block as received, empty where it is longer
    than MAX_HEADER_KEPT_OCTETS. `envelope`, `bodystructure` (with extension data), `body` (without): wire forms,
    parenthesised. `parts`: see `mailmsg.parts.decode_parts`. `sent_at`: the instant of the Date field, UTC.
    `list_id`: see `mailmsg.list_id`; empty where no list sent it. `has_attachments`: see `mailmsg.attachments`. Both are
    None where they are not known.
    """

    header_octets: int
    header: bytes
    envelope: bytes
    bodystructure: bytes
    body: bytes
    parts: bytes
    sent_at: datetime | None
    list_id: bytes | None = None
    has_attachments: bool | None = None


def examine(message: bytes) -> MessageFacts:
    """The facts of a message as received."""
    try:
        root = scan(message)
        bodystructure, body, parts = render(message, root)
        attached = has_attachments(root)
    except TooComplex:
        root = _opaque(message)
        attached = None
        bodystructure, body, parts = render(message, root)
    header_octets = root.body_offset
    date = root.values.get(b"date")
    return MessageFacts(
        header_octets=header_octets,
        header=message[:header_octets] if header_octets <= MAX_HEADER_KEPT_OCTETS else b"",
        envelope=render_envelope(root.values),
        bodystructure=bodystructure,
        body=body,
        parts=encode_parts(parts),
        sent_at=None if date is None else parse_date(date),
        list_id=list_id(root.values.get(b"list-id")),
        has_attachments=attached,
    )


def _opaque(message: bytes) -> Entity:
    """The root of a message that is too complex to describe: its header counts, its body is octets."""
    root = Entity(0)
    found = header_end(message)
    root.body_offset = len(message) if found is None else found
    root.body_end = len(message)
    root.content_type = OPAQUE
    root.encoding = b"binary"
    for field in fields(message[: min(root.body_offset, MAX_HEADER_READ_OCTETS)]):
        name = field.name.lower()
        if name in FIELD_NAMES or name == b"list-id":
            root.values.setdefault(name, field.value)
    return root
