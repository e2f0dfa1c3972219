"""Mailing lists: what becomes of a message to one, and what its members get.

The body and the signed fields of the author stay as they are, so that the author's DKIM signature holds.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from mailmsg.compose import field
from mailmsg.header import fields as fields_of
from mailmsg.header import first_value
from mailmsg.words import encode_words
from spool import SpooledLetter

from mda.core.sieving import ALPHABET, was_redirected_by
from mda.core.standing import authors_of, is_authors, is_reverse_paths

BOUNCES = "bounces"
OWNER = "owner"
UNSUBSCRIBE = "unsubscribe"
# Those of another list, or of whoever pretends to be one.
REPLACED = frozenset(
    {
        *(b"list-id", b"list-post", b"list-help", b"list-unsubscribe", b"list-unsubscribe-post"),
        *(b"list-subscribe", b"list-owner", b"list-archive", b"precedence"),
    }
)
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class MailingList:
    """A list as the directory has it. `posting`: anyone, members, moderators; `list_id` is its account's."""

    list_id: str
    tenant_id: str
    address: str
    name: str
    posting: str
    replies_to_list: bool
    owners: tuple[str, ...]
    moderators: tuple[str, ...]

    def beside(self, detail: str) -> str:
        """One of its other addresses."""
        local_part, _, domain = self.address.rpartition("@")
        return f"{local_part}+{detail}@{domain}"

    @property
    def identifier(self) -> str:
        """For List-Id (RFC 2919 §2)."""
        local_part, _, domain = self.address.rpartition("@")
        return f"{local_part if _LABEL.fullmatch(local_part) else self.list_id}.{domain}"


class Kind(Enum):
    """What a message to a list is."""

    POST = "post"
    LOOP = "loop"
    # It was made by no human: distributed, it would be answered by the next machine.
    AUTOMATIC = "automatic"
    FOR_OWNERS = "for_owners"
    UNSUBSCRIBE = "unsubscribe"


def kind_of(mailing_list: MailingList, letter: SpooledLetter, header: bytes, detail: str) -> Kind:
    """`detail` is what the subaddress says, `header` that of the message as received."""
    envelope, detail = letter.envelope, detail.lower()
    own = f"<{mailing_list.identifier}>".encode().lower()
    came = (first_value(header, b"list-id") or b"").lower()
    if own in came or was_redirected_by(envelope.trace_prefix + header, mailing_list.address):
        return Kind.LOOP
    if detail in (BOUNCES, OWNER):
        return Kind.FOR_OWNERS
    submitted = (first_value(header, b"auto-submitted") or b"no").split(b";")[0].strip().lower()
    if not envelope.reverse_path or submitted != b"no":
        return Kind.AUTOMATIC
    return Kind.UNSUBSCRIBE if detail == UNSUBSCRIBE else Kind.POST


def posters_of(letter: SpooledLetter) -> list[str]:
    """Addresses that the message is from, for certain (`standing`)."""
    envelope = letter.envelope
    found = [envelope.reverse_path] if is_reverse_paths(envelope) and envelope.reverse_path else []
    authors = list(authors_of(letter)) if is_authors(envelope) else []
    # Of several authors nobody knows which of them posts.
    return list(dict.fromkeys(found + (authors if len(authors) == 1 else [])))


def distributed(mailing_list: MailingList, content: bytes, header_octets: int) -> bytes:
    """What members get (RFC 2369, RFC 2919)."""
    header, body = content[:header_octets], content[header_octets:]
    replaced = REPLACED | {b"reply-to"} if mailing_list.replies_to_list else REPLACED
    kept = [each.raw for each in fields_of(header) if each.name.strip().lower() not in replaced]
    phrase = encode_words(mailing_list.name)
    if phrase.isascii() and not phrase.startswith(b"=?"):
        phrase = b'"' + phrase.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    ours = [
        field(
            b"List-Id",
            (phrase + b" " if mailing_list.name else b"") + f"<{mailing_list.identifier}>".encode(),
            folded=True,
        ),
        field(b"List-Post", b"<" + _mailto(mailing_list.address) + b">", folded=True),
        field(b"List-Help", b"<" + _mailto(mailing_list.beside(OWNER)) + b">", folded=True),
        field(b"List-Owner", b"<" + _mailto(mailing_list.beside(OWNER)) + b">", folded=True),
        field(
            b"List-Unsubscribe",
            b"<" + _mailto(mailing_list.beside(UNSUBSCRIBE)) + b"?subject=unsubscribe>",
            folded=True,
        ),
        b"Precedence: list\r\n",
    ]
    if mailing_list.replies_to_list:
        ours.append(field(b"Reply-To", mailing_list.address.encode(), folded=True))
    kept = [each if each.endswith(b"\n") else each + b"\r\n" for each in kept]
    return b"".join([*ours, *kept, b"\r\n", body])


def made_queue_id(queue_id: str, *words: str) -> str:
    """The same for the same part of the same message, so that what is made twice is delivered once."""
    digest = hashlib.sha256("\0".join([queue_id, "list", *words]).encode()).digest()
    return queue_id[:10] + "".join(ALPHABET[octet & 31] for octet in digest[:16])


def _mailto(address: str) -> bytes:
    return f"mailto:{quote(address, safe='@+')}".encode()
