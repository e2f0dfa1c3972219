"""Which conversation a message belongs to (RFC 8474 §5.2): the Message-ID that its References begin with, hashed.

Who answers a message repeats its References and adds its Message-ID (RFC 5322 §3.6.4), so all of a conversation begin
with the same. A message that names only what it replies to (In-Reply-To) is of that message's conversation where that
one began it. So the id follows from the message alone: nothing has to be looked up, and it never changes.
"""

import hashlib
import re

OCTETS = 12
MESSAGE_ID = re.compile(rb'<\s*+((?:"(?:[^"\\]|\\.)*+"|[^<>"\s])++)\s*+>')
QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"')
ESCAPED = re.compile(rb"\\(.)")
# The first of each field, with its continuation lines.
FIELD = re.compile(
    rb"^(references|in-reply-to|message-id)[ \t]*+:((?:[^\n]*+\n(?=[ \t]))*+[^\n]*+)",
    re.IGNORECASE | re.MULTILINE,
)


def message_ids(value: bytes) -> list[bytes]:
    """The Message-IDs in a field, the same however they are quoted (RFC 5256 §3)."""
    return [
        QUOTED.sub(lambda quoted: ESCAPED.sub(rb"\1", quoted[1]), found[1]) if b'"' in found[1] else found[1]
        for found in MESSAGE_ID.finditer(value)
    ]


def thread_id(header: bytes, otherwise: bytes) -> bytes:
    """Of a message with this header block; one without any Message-ID is a conversation by itself, named `otherwise`."""
    first: dict[bytes, bytes] = {}
    for field in FIELD.finditer(header):
        name = field[1].lower()
        if name not in first:
            found = MESSAGE_ID.search(field[2])
            if found is not None:
                [first[name]] = message_ids(found[0])
    root = first.get(b"references") or first.get(b"in-reply-to") or first.get(b"message-id")
    return hashlib.sha256(b"<%b>" % root if root else otherwise).digest()[:OCTETS]
