"""What somebody asks a mailing list by mail, and what a report says that came back to it."""

import re
from dataclasses import dataclass
from enum import Enum

from mailmsg.header import first_value, header_end, unfold
from mailmsg.tree import TooComplex, scan
from mailmsg.words import decode_words

from mda.core.lists import CONFIRM, REQUEST, SUBSCRIBE, UNSUBSCRIBE

# So much of a message is looked at.
LOOKED_AT_OCTETS = 64 * 1024
ENTITIES_MOST = 30
RETURNED_OCTETS = 256 * 1024
_CONFIRMED = re.compile(r"\bconfirm ([a-z2-7]{20})\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)
# RFC 3463 §2, and the code of a reply before it.
_REFUSED = re.compile(rb"(?<![0-9.])(?:5[0-9]{2}[ -])?#?5\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])[^\r\n]{0,200}")
_WORDS = {"subscribe": SUBSCRIBE, "join": SUBSCRIBE, "unsubscribe": UNSUBSCRIBE, "leave": UNSUBSCRIBE}
_REPORTS = {b"message/delivery-status", b"message/global-delivery-status"}


class Wish(Enum):
    """What is asked."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    CONFIRM = "confirm"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Asked:
    """`token` of a confirmation."""

    wish: Wish
    token: str = ""


def asked(detail: str, header: bytes, body: bytes) -> Asked:
    """By the address, or at NAME-request@ by the first word of the subject, or of the body where that has none."""
    subject = decode_words(first_value(header, b"subject") or b"")
    if detail in (CONFIRM, REQUEST) and (found := _CONFIRMED.search(subject)) is not None:
        return Asked(Wish.CONFIRM, found[1].lower())
    if detail == REQUEST:
        for text in (subject, body[:LOOKED_AT_OCTETS].decode("utf-8", "replace")):
            word = _WORD.search(text)
            if word is not None:
                detail = _WORDS.get(word[0].lower(), REQUEST)
                break
    if detail == SUBSCRIBE:
        return Asked(Wish.SUBSCRIBE)
    return Asked(Wish.UNSUBSCRIBE if detail == UNSUBSCRIBE else Wish.HELP)


class Verdict(Enum):
    """What a message says that came back."""

    FAILED = "failed"
    # A delay, an answer of a machine.
    NOTHING = "nothing"
    UNCLEAR = "unclear"


def returned(message: bytes) -> tuple[Verdict, str]:
    """With what the other system said. Reports by their fields (RFC 3464), others by the code that stands in them.

    Of a large message the beginning: what was sent comes back behind what is said about it.
    """
    message = message[:RETURNED_OCTETS]
    try:
        root = scan(message)
    except TooComplex:
        return Verdict.UNCLEAR, ""
    waiting = [root]
    for _ in range(ENTITIES_MOST):
        if not waiting:
            break
        entity = waiting.pop(0)
        waiting += entity.children
        if entity.content_type.maintype + b"/" + entity.content_type.subtype in _REPORTS:
            return _reported(message[entity.body_offset : entity.body_end][:LOOKED_AT_OCTETS])
    header = message[: header_end(message) or len(message)]
    submitted = re.split(rb"[;(]", first_value(header, b"auto-submitted") or b"")[0].strip().lower()
    if submitted == b"auto-replied":
        return Verdict.NOTHING, ""
    found = _REFUSED.search(message[len(header) :][:LOOKED_AT_OCTETS])
    return (Verdict.UNCLEAR, "") if found is None else (Verdict.FAILED, found[0].decode("utf-8", "replace"))


def _reported(part: bytes) -> tuple[Verdict, str]:
    blocks = re.split(rb"\n(?:[ \t]*\n)+", part.replace(b"\r\n", b"\n").strip(b"\n"))
    for block in blocks[1:]:
        fields = block.replace(b"\n", b"\r\n") + b"\r\n\r\n"
        if _text(fields, b"action").lower() == "failed":
            diagnostic = _text(fields, b"diagnostic-code").partition(";")[2].strip()
            return Verdict.FAILED, diagnostic or _text(fields, b"status")
    return Verdict.NOTHING, ""


def _text(block: bytes, name: bytes) -> str:
    return unfold(first_value(block, name) or b"").decode("utf-8", "replace").strip()
