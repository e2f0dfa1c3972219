"""Reverse-paths that say what came back: of which message, and which recipient's copy (VERP).

`ann@example.org` sends as `ann+v-<queue id><four letters of the recipient>@example.org`, which is a subaddress of hers
(RFC 5233): what comes back is hers, and says what it is about whatever stands in it. The queue id has eighty bits of
chance in it, which only those know who got the message. Where her name leaves no room for that (RFC 5321 §4.5.3.1.1: 64
octets before the @) it is `a-<her account's id>+v-...`, which the directory takes for her address too, as long as all of it
stands there.
"""

import base64
import hashlib
import re
from dataclasses import replace
from uuid import UUID

from spool.envelope import MARK, OwnCopies
from spool.letter import Letter

LOCAL_PART_OCTETS = 64
DETAIL = "+v-"
ACCOUNT = "a-"
TAG_CHARACTERS = 4
_COPY = re.compile(r"v-([0-9A-HJKMNP-TV-Z]{26})([A-Z2-7]{4})\Z")


def tag_of(address: str) -> str:
    """Four letters that tell a message's recipients apart."""
    digest = hashlib.sha256(address.lower().encode()).digest()
    return base64.b32encode(digest)[:TAG_CHARACTERS].decode().lower()


def has_room(letter: Letter) -> bool:
    """Whether all that is to be said fits behind its reverse-path."""
    local_part = letter.reverse_path.rpartition("@")[0]
    longest = len(f"{local_part}{DETAIL}{letter.queue_id}".encode()) + TAG_CHARACTERS
    return not local_part.startswith('"') and longest <= LOCAL_PART_OCTETS


def with_copies(letter: Letter, account_id: str = "") -> Letter:
    """The same, each remote recipient with a copy of its own.

    `account_id` is whose the reverse-path is, where that has no room; as it is where that is not known.
    """
    local_part, _, domain = letter.reverse_path.rpartition("@")
    if not has_room(letter):
        local_part = ACCOUNT + _text(UUID(account_id).bytes) if account_id else ""
    if not local_part:
        return letter
    own = OwnCopies(f"{local_part}{DETAIL}{letter.queue_id.lower()}{MARK}@{domain}")
    recipients = tuple(
        replace(each, token=tag_of(each.address)) if each.account_id is None else each
        for each in letter.recipients
    )
    return replace(letter, recipients=recipients, own_copies=own)


def _text(octets: bytes) -> str:
    return base64.b32encode(octets).decode().rstrip("=").lower()


def copy_of(address: str) -> tuple[str, str] | None:
    """The queue id and the recipient's tag that an address says; None where it is no such address."""
    detail = address.rpartition("@")[0].upper().rpartition("+")[2]
    found = _COPY.match("v" + detail[1:]) if detail[:1] == "V" else None
    return None if found is None else (found[1], found[2].lower())
