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


def change_fields(content: bytes, changes: Sequence[FieldChange]) -> bytes:
    """The message with these fields changed; one that is not there is added at the end of the header.

    Raises HookFailed.
    """
    for change in changes:
        new = safe_field(change.name, change.value) if change.value else b""
        end = header_end(content)
        header, rest = (content[:end], content[end:]) if end is not None else (content, b"")
        blank = b"\r\n" if header.endswith(b"\r\n\r\n") or header == b"\r\n" else b""
        block = header[: len(header) - len(blank)]
        position, seen = 0, 0
        for each in fields(block):
            start = block.index(each.raw, position)
            position = start + len(each.raw)
            seen += each.name.strip().lower() == change.name.lower()
            if seen == max(change.index, 1) and each.name.strip().lower() == change.name.lower():
                block = block[:start] + new + block[position:]
                break
        else:
            block += new
        content = block + blank + rest
    return content
