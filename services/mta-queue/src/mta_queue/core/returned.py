"""What other systems send back about our mail: delivery status notifications (RFC 3464) and feedback reports (RFC 5965).

Which message it is about is told by the queue id, which has eighty bits of chance in it and which only those know who
got the message: as Original-Envelope-Id (the ENVID that we give), or in the Received field of ours that stands in the
header that comes back. Whether the message went to the address that is named is for the caller to see.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from mailmsg.header import first_value, header_end, unfold
from mailmsg.tree import Entity, TooComplex, scan

ENTITIES_MOST = 30
RECIPIENTS_MOST = 200
IDS_MOST = 20
PART_MOST_OCTETS = 256 * 1024
QUEUE_ID = re.compile(rb"(?<![0-9A-Za-z])[0-9A-HJKMNP-TV-Z]{26}(?![0-9A-Za-z])")
RECEIVED_ID = re.compile(rb"\bid\s+([0-9A-HJKMNP-TV-Z]{26})(?![0-9A-Za-z])")
# RFC 3463 §2, and the code of a reply before it.
REFUSED = re.compile(rb"(?<![0-9.])(?:5[0-9]{2}[ -])?#?(5\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])[^\r\n]{0,200}")
ADDRESS = re.compile(r"[^\s<>@;]{1,128}@[^\s<>@;]{1,255}\Z")
RETURNED = {
    b"message/rfc822",
    b"message/rfc822-headers",
    b"text/rfc822-headers",
    b"message/global",
    b"message/global-headers",
}
STATUS = {b"message/delivery-status", b"message/global-delivery-status"}


class Kind(Enum):
    """What it says."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True)
class Fate:
    """One recipient. `diagnostic` is the reply that was reported, "" where there is none."""

    address: str
    status: str
    diagnostic: str
    # Instead of an address, where it came to the reverse-path of one copy.
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """What the reverse-path of a copy says (spool.verp)."""

    queue_id: str
    tag: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back. `queue_ids` may be ours; without `fates` a complaint is about all who got the message."""

    kind: Kind
    queue_ids: tuple[str, ...]
    fates: tuple[Fate, ...]
    reporter: str


def read(message: bytes, copy: Copy | None = None) -> Returned | None:
    """None for what is neither, says nothing final, or names no message of ours. Linear, bounded.

    What came to the reverse-path of one copy is about that copy, whatever address it names and whatever it looks like.
    """
    try:
        root = scan(message)
    except TooComplex:
        return None
    ids: dict[str, None] = {} if copy is None else {copy.queue_id: None}
    fates: list[Fate] = []
    kind: Kind | None = None
    reporter = ""
    for entity in _entities(root):
        media = entity.content_type.maintype + b"/" + entity.content_type.subtype
        part = message[entity.body_offset : entity.body_end][:PART_MOST_OCTETS]
        if media in STATUS:
            kind = Kind.BOUNCE
            blocks = _blocks(part)
            reporter = _text(blocks[0], b"reporting-mta") if blocks else ""
            if blocks:
                ids.update(_ids(QUEUE_ID, first_value(blocks[0], b"original-envelope-id") or b""))
            fates += _failed(blocks[1 : RECIPIENTS_MOST + 1])
        elif media == b"message/feedback-report":
            kind = Kind.COMPLAINT
            block = part + b"\r\n\r\n"
            # RFC 5965 §7.3: other types are no complaints ("not-spam", "dmarc" of others, "virus" ...).
            if _text(block, b"feedback-type").lower() not in ("abuse", "fraud"):
                return None
            reporter = _text(block, b"user-agent")
            ids.update(_ids(QUEUE_ID, first_value(block, b"original-envelope-id") or b""))
            address = _address(_text(block, b"original-rcpt-to"))
            if address:
                fates.append(Fate(address, "", _text(block, b"feedback-type").lower()))
        elif media in RETURNED:
            end = header_end(part)
            ids.update(_ids(RECEIVED_ID, part if end is None else part[:end]))
    if copy is not None and kind is not Kind.COMPLAINT:
        if kind is None:
            fates += _plain(message, root)
        found = next(iter(fates), None)
        return (
            None
            if found is None
            else Returned(
                Kind.BOUNCE, (copy.queue_id,), (replace(found, address="", tag=copy.tag),), reporter[:200]
            )
        )
    if kind is None or not ids or (kind is Kind.BOUNCE and not fates):
        return None
    return Returned(kind, tuple(ids)[:IDS_MOST], tuple(fates), reporter[:200])


def _plain(message: bytes, root: Entity) -> Iterator[Fate]:
    """Of a message that is no report: the first refusal that stands in it; an answer of a machine has none."""
    header = message[: root.body_offset]
    submitted = re.split(rb"[;(]", first_value(header, b"auto-submitted") or b"")[0].strip().lower()
    found = (
        None
        if submitted == b"auto-replied"
        else REFUSED.search(message, root.body_offset, root.body_offset + PART_MOST_OCTETS)
    )
    if found is not None:
        text = found[0].decode("utf-8", "replace")
        yield Fate("", found[1].decode(), "".join(each if each.isprintable() else " " for each in text))


def _entities(root: Entity) -> Iterator[Entity]:
    waiting = [root]
    for _ in range(ENTITIES_MOST):
        if not waiting:
            return
        entity = waiting.pop(0)
        yield entity
        media = entity.content_type.maintype + b"/" + entity.content_type.subtype
        # What is inside a message that came back says nothing about it.
        if media not in RETURNED:
            waiting += entity.children


def _blocks(part: bytes) -> list[bytes]:
    """Groups of fields, each ended by a blank line (RFC 3464 §2.1)."""
    text = part.replace(b"\r\n", b"\n").strip(b"\n")
    blocks = re.split(rb"\n(?:[ \t]*\n)+", text, maxsplit=RECIPIENTS_MOST + 1)
    return [block.replace(b"\n", b"\r\n") + b"\r\n\r\n" for block in blocks if block.strip()]


def _failed(blocks: list[bytes]) -> Iterator[Fate]:
    for block in blocks:
        if _text(block, b"action").lower() != "failed":
            continue
        # The address that we sent to: what the sender of the notice was given, else what it has of it.
        for name in (b"original-recipient", b"final-recipient"):
            address = _address(_text(block, name).partition(";")[2])
            if address:
                diagnostic = _text(block, b"diagnostic-code").partition(";")[2].strip()
                yield Fate(address, _text(block, b"status")[:20], diagnostic[:500])
                break


def _text(block: bytes, name: bytes) -> str:
    value = first_value(block, name)
    if value is None:
        return ""
    text = unfold(value).decode("utf-8", "replace").strip()
    return "".join(each if each.isprintable() else " " for each in text)[:1000]


def _address(text: str) -> str:
    text = text.strip().removeprefix("<").removesuffix(">")
    return text if ADDRESS.fullmatch(text) else ""


def _ids(pattern: re.Pattern[bytes], text: bytes) -> dict[str, None]:
    found: dict[str, None] = {}
    for match in pattern.finditer(text):
        found[(match[1] if pattern.groups else match[0]).decode()] = None
        if len(found) == IDS_MOST:
            break
    return found
