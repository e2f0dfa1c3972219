"""ENVELOPE in its wire form (RFC 9051 §7.5.2, RFC 3501 §7.4.2).

Strings are sent as they stand in the header, encoded words and all; 8-bit ones (RFC 6532) as literals. Every string
and every list has a limit in octets, so that one envelope is never longer than about 64 KiB: of a longer list the
first addresses are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from mailmsg.address import Address, iterate_addresses
from mailmsg.header import unfold
from mailmsg.wire import is_plain, nstring, string

EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

FIELD_NAMES = (
    b"date",
    b"subject",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"in-reply-to",
    b"message-id",
)
"""The fields that an envelope is made of, lower case."""

_LONGEST_WORD_OCTETS = 1024
_LONGEST_SUBJECT_OCTETS = 4096
_LONGEST_SENDERS_OCTETS = 4096
_LONGEST_RECIPIENTS_OCTETS = 14 * 1024
_REMEMBERED_OCTETS = 200
_TOKEN = re.compile(rb' *(?:([()])|"((?:[^"\\]++|\\.)*+)"|\{([0-9]{1,9})\}\r\n|NIL)', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_AUTHORS_FIELD = 2  # After Date and Subject.


def render_envelope(values: Mapping[bytes, bytes]) -> bytes:
    """The envelope of the fields, a mapping from lower case names to raw values; absent ones are NIL."""
    if not values:
        return EMPTY
    senders = _addresses(values.get(b"from"), _LONGEST_SENDERS_OCTETS)
    sender = _addresses(values.get(b"sender"), _LONGEST_SENDERS_OCTETS)
    reply_to = _addresses(values.get(b"reply-to"), _LONGEST_SENDERS_OCTETS)
    return b"(%s %s %s %s %s %s %s %s %s %s)" % (
        _text(values.get(b"date"), _LONGEST_WORD_OCTETS),
        _text(values.get(b"subject"), _LONGEST_SUBJECT_OCTETS),
        senders,
        # "the server MUST default … to the value of the from member" where they are absent or empty.
        senders if sender == b"NIL" else sender,
        senders if reply_to == b"NIL" else reply_to,
        _addresses(values.get(b"to"), _LONGEST_RECIPIENTS_OCTETS),
        _addresses(values.get(b"cc"), _LONGEST_RECIPIENTS_OCTETS),
        _addresses(values.get(b"bcc"), _LONGEST_RECIPIENTS_OCTETS),
        _text(values.get(b"in-reply-to"), _LONGEST_SUBJECT_OCTETS),
        _text(values.get(b"message-id"), _LONGEST_WORD_OCTETS),
    )


def _text(value: bytes | None, longest_octets: int) -> bytes:
    return b"NIL" if value is None else string(unfold(value), longest_octets)


def _addresses(value: bytes | None, longest_octets: int) -> bytes:
    """One list of addresses; groups as the pair of marks that the RFC gives them."""
    if value is None:
        return b"NIL"
    render = _remembered if len(value) <= _REMEMBERED_OCTETS else _rendered
    return render(value, longest_octets)


def _rendered(value: bytes, longest_octets: int) -> bytes:
    entries: list[bytes] = []
    room = longest_octets
    for entry in iterate_addresses(value):
        if isinstance(entry, Address):
            rendered = _address(entry)
        else:
            members = [_address(member) for member in entry.members]
            start = b"(NIL NIL %s NIL)" % string(entry.name, _LONGEST_WORD_OCTETS)
            rendered = b"".join([start, *members, b"(NIL NIL NIL NIL)"])
        room -= len(rendered)
        if room < 0:
            break
        entries.append(rendered)
    return b"(" + b"".join(entries) + b")" if entries else b"NIL"


# The same few people write to the same few again and again.
_remembered = lru_cache(maxsize=512)(_rendered)


def _address(address: Address) -> bytes:
    name, local_part, domain = address.name, address.local_part, address.domain
    together = name + local_part + domain
    if not address.route and len(together) <= _LONGEST_WORD_OCTETS and is_plain(together):
        if name:
            return b'("%s" NIL "%s" "%s")' % (name, local_part, domain)
        return b'(NIL NIL "%s" "%s")' % (local_part, domain)
    return b"(%s %s %s %s)" % (
        nstring(address.name or None, _LONGEST_WORD_OCTETS),
        nstring(address.route or None, _LONGEST_WORD_OCTETS),
        string(address.local_part, _LONGEST_WORD_OCTETS),
        # An empty string, not NIL: a NIL host would be the mark of a group.
        string(address.domain, _LONGEST_WORD_OCTETS),
    )


def authors_in(envelope: bytes) -> Iterator[bytes]:
    """The addresses of From in an envelope as `render_envelope` makes it, local-part@domain; of a long list the first."""
    fields = depth = 0
    strings: list[bytes] = []
    position = 1
    while fields <= _AUTHORS_FIELD and (token := _TOKEN.match(envelope, position)) is not None:
        position = token.end()
        mark, quoted, octets = token.groups()
        if mark == b"(":
            depth += 1
            strings.clear()
            continue
        if mark == b")":
            depth -= 1
            if depth == 1 and fields == _AUTHORS_FIELD and len(strings) == 4 and strings[3]:
                yield strings[2] + b"@" + strings[3]
        elif octets is not None:
            strings.append(envelope[position : position + int(octets)])
            position += int(octets)
        else:
            strings.append(_QUOTED_PAIR.sub(rb"\1", quoted or b""))
        fields += depth == 0
