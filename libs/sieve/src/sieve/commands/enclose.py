""" "enclose" (RFC 5703 §6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mailmsg.date import format_date

from sieve.actions import MessageEnclosed
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.commands.editheader import field_value
from sieve.commands.replace import text_entity
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.header_block import HeaderBlock
from sieve.machine import Machine
from sieve.message import Message, Origin, Received
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text


@dataclass(frozen=True, slots=True)
class EncloseCommand:
    """Make the message a part of a new one, a text before it. "redirect" still sends the message itself."""

    subject: Text | None
    headers: tuple[Text, ...]
    text: Text

    def run(self, machine: Machine) -> None:
        message = machine.message
        machine.enclosures += 1
        if machine.enclosures > machine.limits.enclosures:
            raise Fault(f"a script may enclose the message {machine.limits.enclosures} times at most")
        if message.size_octets > machine.limits.composed_octets:
            raise Fault("the message is too large to be enclosed")
        body = message.body
        machine.spend(1 + len(body) // 512)
        content = message.header.render() + body
        boundary = _boundary(content)
        names = [name.value(machine).lower() for name in self.headers]
        header = self._header(machine, message.header, names, boundary)
        encoding = b"7bit" if content.isascii() else b"8bit"
        parts = b"".join(
            (
                b"--" + boundary + b"\r\n" + text_entity(self.text.value(machine)),
                b"\r\n--" + boundary + b"\r\nContent-Type: message/rfc822\r\n",
                b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content,
                b"\r\n--" + boundary + b"--\r\n",
            )
        )
        machine.enclosed = machine.enclosed or message
        machine.message = Message(Received(header, parts, len(header) + len(parts)), Origin.COMPOSED)
        machine.note(MessageEnclosed(machine.place))

    def _header(self, machine: Machine, old: HeaderBlock, names: list[bytes], boundary: bytes) -> bytes:
        fields: list[bytes] = []
        if b"date" not in names or not old.named(b"date"):
            fields.append(b"Date: " + format_date(machine.situation.now) + b"\r\n")
        if b"from" not in names or not old.named(b"from"):
            fields.append(b"From: " + machine.situation.forward_path.encode() + b"\r\n")
        if self.subject is not None:
            value = field_value(b"Subject", self.subject.value(machine), machine.limits.header_value_octets)
            fields.append(b"Subject: " + value + b"\r\n")
        elif b"subject" not in names:
            names = [*names, b"subject"]
        for name in dict.fromkeys(names):
            if (
                name.startswith(b"content-")
                or name == b"mime-version"
                or (name == b"subject" and self.subject)
            ):
                continue
            fields.extend(_ended(field.raw) for field in old.named(name))
        fields.append(b"MIME-Version: 1.0\r\n")
        fields.append(b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n')
        return b"".join(fields)


def _ended(raw: bytes) -> bytes:
    return raw if raw.endswith(b"\n") else raw + b"\r\n"


def _boundary(content: bytes) -> bytes:
    """A boundary that is not in the content; the same for the same content."""
    seed = hashlib.sha256(content).hexdigest()[:32]
    number = 0
    while (boundary := f"=_{seed}_{number}".encode()) in content:
        number += 1
    return boundary


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return EncloseCommand(bound.tag_text("subject"), bound.tag_texts("headers") or (), bound.text(0))


_TAGS = (Tag("subject", Kind.STRING), Tag("headers", Kind.STRINGS))
KINDS = (CommandKind("enclose", Shape(((Kind.STRING,),), _TAGS), _compile, "enclose"),)
