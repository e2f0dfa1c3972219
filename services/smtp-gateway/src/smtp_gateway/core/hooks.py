"""What an operator's hook says of a client, a sender, a recipient, a message; and its changes, put to the message.

Fields that a hook adds stand in front of the message, in what we add. Fields that it changes are changed in the message
before it is stored, hashed and signed; a body never is (ADR 3).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from mailmsg.header import fields, header_end
from mailproto.smtp.reply import Reply

TEXT_CHARACTERS = 400
FIELDS_MOST = 100
FIELD_OCTETS = 16 * 1024
_NAME = re.compile(rb"[!-9;-~]{1,76}")
# One more of these would be an author whom nobody checked, or told whom a blind copy went to.
_NEVER_ADDED = frozenset((b"from", b"sender", b"resent-from", b"resent-sender", b"bcc", b"resent-bcc"))
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) ?(.*)", re.DOTALL)
AWAY = Reply.of(451, "4.7.1", "A check is not available now; try again later")


class HookFailed(Exception):
    """The hook gave no answer that can be used."""


class Act(Enum):
    """What is to be done."""

    GO = "go"
    # Nothing more is asked: of the connection, or of the message.
    ACCEPT = "accept"
    REFUSE = "refuse"
    # Said to be accepted, and thrown away.
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reply` is there where it is refused."""

    act: Act = Act.GO
    reply: Reply | None = None


GO = Verdict()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The `index`th field of this name, from 1; an empty value removes it."""

    name: bytes
    index: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a hook says of a whole message. Addresses without angle brackets."""

    verdict: Verdict = GO
    added: tuple[tuple[bytes, bytes], ...] = ()
    changed: tuple[FieldChange, ...] = ()
    added_recipients: tuple[str, ...] = ()
    removed_recipients: tuple[str, ...] = ()
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is there. `login` is the account's address, "" for a stranger; `tls_version` "" without TLS."""

    door: str
    hostname: str
    address: str
    port: int
    name: str
    tls_version: str
    tls_cipher: str
    login: str
    connection: str


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message and its envelope; `content` begins with what earlier hooks added."""

    helo: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)


def refusal(code: int, text: str) -> Reply:
    """A hook's words as an answer: one printable line with an enhanced code of the same class."""
    code = code if 400 <= code <= 599 else 550
    line = "".join(each if " " <= each <= "~" else " " for each in text)[:TEXT_CHARACTERS].strip()
    found = _ENHANCED.fullmatch(line)
    enhanced, words = (found[1], found[2]) if found is not None else ("", line)
    if not enhanced.startswith(str(code // 100)):
        enhanced = f"{code // 100}.7.1"
    return Reply.of(code, enhanced, words or "Refused by a check")


def safe_field(name: bytes, value: bytes) -> bytes:
    """A whole field, ended by CRLF. Raises HookFailed where it would be more or less than one."""
    folded = value.replace(b"\r\n", b"\n").strip(b"\n")
    lines = folded.split(b"\n")
    if (
        not _NAME.fullmatch(name)
        or len(value) > FIELD_OCTETS
        or b"\r" in folded
        or b"\0" in folded
        or any(not line.startswith((b" ", b"\t")) or not line.strip() for line in lines[1:])
    ):
        raise HookFailed(f"a field that is none: {name[:40]!r}")
    return name + b": " + b"\r\n".join(lines).lstrip(b" ") + b"\r\n"


def added_field(name: bytes, value: bytes) -> bytes:
    """A whole field that stands in front of the message. Raises HookFailed, also where it would be one more author."""
    if name.lower() in _NEVER_ADDED:
        raise HookFailed(f"a field that is not added: {name[:40]!r}")
    return safe_field(name, value)


def change_fields(content: bytes, changes: Sequence[FieldChange]) -> bytes:
    """The message with these fields changed; one that is not there is added at the end of the header.

    Raises HookFailed, also where there would be several From fields. The message is taken apart once, whatever the
    number of changes.
    """
    end = header_end(content)
    header, rest = (content[:end], content[end:]) if end is not None else (content, b"")
    blank = b"\r\n" if header.endswith(b"\r\n\r\n") or header == b"\r\n" else b""
    pieces, places = _taken_apart(header[: len(header) - len(blank)])
    for change in changes:
        new = safe_field(change.name, change.value) if change.value else b""
        of_name = places.setdefault(change.name.lower(), [])
        index = max(change.index, 1) - 1
        if index < len(of_name):
            pieces[of_name[index]] = new
            if not new:
                # Those behind it are counted without it from now on.
                del of_name[index]
        elif new:
            if pieces and pieces[-1] and not pieces[-1].endswith(b"\n"):
                pieces[-1] += b"\r\n"
            of_name.append(len(pieces))
            pieces.append(new)
    if len(places.get(b"from", ())) > 1:
        raise HookFailed("several From fields")
    return b"".join([*pieces, blank, rest])


def _taken_apart(block: bytes) -> tuple[list[bytes], dict[bytes, list[int]]]:
    """A header's fields, and lines between them that are none; and where those of each name (in lower case) stand."""
    pieces: list[bytes] = []
    places: dict[bytes, list[int]] = {}
    position = 0
    for each in fields(block):
        start = position
        while not block.startswith(each.raw, start):
            start = block.index(b"\n", start) + 1
        if start > position:
            pieces.append(block[position:start])
        places.setdefault(each.name.lower(), []).append(len(pieces))
        pieces.append(each.raw)
        position = start + len(each.raw)
    if position < len(block):
        pieces.append(block[position:])
    return pieces, places
