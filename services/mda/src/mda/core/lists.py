"""Mailing lists: what becomes of a message to one, and what its members get.

The body and the signed fields of the author stay as they are, so that the author's DKIM signature holds.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote
from uuid import UUID

from mailmsg.compose import field
from mailmsg.header import fields as fields_of
from mailmsg.header import first_value
from mailmsg.words import encode_words
from senderauth import Result
from spool import MARK, OwnCopies, SpooledLetter

from mda.core.sieving import ALPHABET, MOST_HOPS, hops, was_redirected_by
from mda.core.standing import authors_of, is_authors, is_reverse_paths

BOUNCES = "bounces"
OWNER = "owner"
UNSUBSCRIBE = "unsubscribe"
SUBSCRIBE = "subscribe"
CONFIRM = "confirm"
REQUEST = "request"
# What stands behind NAME- in the addresses that a list has of its own (the directory makes them with the list).
BESIDE = frozenset({REQUEST, SUBSCRIBE, UNSUBSCRIBE, OWNER})
# Before the token of the member to whom a copy went, in the reverse-path.
RETURNED = "b-"
TOKEN_CHARACTERS = 24
LOCAL_PART_OCTETS = 64
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
    is_open: bool = False
    # Another address of it, with room for any detail.
    short_address: str = ""

    def beside(self, detail: str) -> str:
        """One of its other addresses, within what may stand before an @ (RFC 5321 §4.5.3.1.1)."""
        octets = len(detail.encode()) + (TOKEN_CHARACTERS - len(MARK) if detail.endswith(MARK) else 0)
        local_part, _, domain = self.address.rpartition("@")
        if self.short_address and len(local_part.encode()) + 1 + octets > LOCAL_PART_OCTETS:
            local_part, _, domain = self.short_address.rpartition("@")
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
    # It says that a copy did not arrive.
    RETURNED = "returned"
    # Somebody asks for something, or answers our question.
    COMMAND = "command"


def kind_of(mailing_list: MailingList, letter: SpooledLetter, header: bytes, detail: str) -> Kind:
    """`detail` is what the subaddress says, `header` that of the message as received."""
    envelope, detail = letter.envelope, detail.lower()
    own = f"<{mailing_list.identifier}>".encode().lower()
    came = (first_value(header, b"list-id") or b"").lower()
    if own in came or was_redirected_by(envelope.trace_prefix + header, mailing_list.address):
        return Kind.LOOP
    if hops(envelope.trace_prefix) >= MOST_HOPS:
        return Kind.LOOP
    if detail in (BOUNCES, OWNER):
        return Kind.FOR_OWNERS
    if detail.startswith(RETURNED):
        return Kind.FOR_OWNERS if envelope.reverse_path else Kind.RETURNED
    submitted = (first_value(header, b"auto-submitted") or b"no").split(b";")[0].strip().lower()
    if not envelope.reverse_path or submitted != b"no":
        return Kind.AUTOMATIC
    return Kind.COMMAND if detail in (SUBSCRIBE, UNSUBSCRIBE, CONFIRM, REQUEST) else Kind.POST


def detail_of(mailing_list: MailingList, letter: SpooledLetter) -> str:
    """Which of the list's addresses it came to: what stands behind the + or, of its own addresses, behind the -."""
    addresses = filter(None, (mailing_list.address, mailing_list.short_address))
    names = [each.rpartition("@")[0].lower() for each in addresses]
    for recipient in letter.envelope.recipients:
        written = recipient.original_address.rpartition("@")[0].lower()
        for own in names:
            if recipient.account_id == mailing_list.list_id and written.startswith(own):
                sign, detail = written[len(own) : len(own) + 1], written[len(own) + 1 :]
                if sign == "+" or (sign == "-" and detail in BESIDE):
                    return detail
    return ""


def posters_of(letter: SpooledLetter) -> list[str]:
    """Addresses that the message is from, for certain (`standing`)."""
    envelope = letter.envelope
    found = [envelope.reverse_path] if is_reverse_paths(envelope) and envelope.reverse_path else []
    authors = list(authors_of(letter)) if is_authors(envelope) else []
    # Of several authors nobody knows which of them posts.
    return list(dict.fromkeys(found + (authors if len(authors) == 1 else [])))


def may_sign(mailing_list: MailingList, letter: SpooledLetter, header: bytes) -> bool:
    """Whether the list's domain may sign copies: never what may pass for mail of its own people that nobody has proven.

    A receiver takes a signature for the author's where both domains are of one organisation (RFC 7489 §3.1.1); those
    share their last two labels at least.
    """
    envelope, authors = letter.envelope, list(authors_of(letter))
    if sum(each.name.strip().lower() == b"from" for each in fields_of(header)) != 1 or len(authors) != 1:
        return False
    if envelope.sender_account_id and envelope.speaker is None:
        return True
    if envelope.speaker is not None and envelope.speaker.dmarc is Result.PASS:
        return True
    return _last_labels(authors[0]) != _last_labels(mailing_list.address)


def _last_labels(address: str) -> list[str]:
    return address.rpartition("@")[2].lower().rstrip(".").split(".")[-2:]


def copies(mailing_list: MailingList, url: str, is_signed: bool) -> OwnCopies:
    """What each member's copy has of its own: where it comes back, how one leaves (RFC 2369, RFC 8058).

    `url` is that of the page for leaving, "" where there is none. One click needs a signature (RFC 8058 §4).
    """
    domain = mailing_list.address.rpartition("@")[2]
    reverse_path = mailing_list.beside(RETURNED + MARK)
    if len(reverse_path.rpartition("@")[0].encode()) + TOKEN_CHARACTERS - len(MARK) > LOCAL_PART_OCTETS:
        # A directory from before there were short addresses gives none.
        reverse_path = mailing_list.beside(BOUNCES)
    by_mail = b"<" + _mailto(mailing_list.beside(UNSUBSCRIBE)) + b"?subject=unsubscribe>"
    if not url or not is_signed:
        fields = field(b"List-Unsubscribe", by_mail, folded=True)
    else:
        list_text = base64.b32encode(UUID(mailing_list.list_id).bytes).decode().rstrip("=").lower()
        page = f"<{url.rstrip('/')}/unsubscribe/{list_text}{MARK}>".encode()
        fields = field(b"List-Unsubscribe", page + b",\r\n " + by_mail, folded=True)
        fields += b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return OwnCopies(reverse_path, fields, domain if is_signed else "")


def distributed(mailing_list: MailingList, content: bytes, header_octets: int) -> bytes:
    """What all members get (RFC 2369, RFC 2919); how one leaves stands in each copy."""
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
        b"Precedence: list\r\n",
    ]
    if mailing_list.is_open:
        ours.append(
            field(b"List-Subscribe", b"<" + _mailto(mailing_list.beside(SUBSCRIBE)) + b">", folded=True)
        )
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
