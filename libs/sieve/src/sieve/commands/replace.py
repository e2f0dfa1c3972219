""" "replace" (RFC 5703 §5)."""

from __future__ import annotations

from dataclasses import dataclass

from mailmsg.compose import encode_text
from mailmsg.header import fields, header_end
from mailmsg.tree import MAX_DEPTH, MAX_HEADER_READ_OCTETS
from mailmsg.tree import Kind as EntityKind

from sieve.actions import PartReplaced
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.commands.editheader import field_value
from sieve.commands.vacation import check_entity
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.header_block import HeaderBlock
from sieve.machine import Machine
from sieve.mime import Part
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text


@dataclass(frozen=True, slots=True)
class ReplaceCommand:
    """Put something else in the place of the current part, or of the whole message."""

    is_mime: bool
    subject: Text | None
    sender: Text | None
    replacement: Text

    def run(self, machine: Machine) -> None:
        message = machine.message
        content = self.replacement.value(machine)
        if self.is_mime:
            check_entity(content)
        else:
            content = text_entity(content)
        if message.body_edits >= machine.limits.header_edits:
            raise Fault(f"a script may replace {machine.limits.header_edits} parts at most")
        if len(content) + message.size_octets > machine.limits.composed_octets:
            raise Fault("the changed message is too large")
        machine.spend(1 + (len(content) + message.size_octets) // 1024)
        part = machine.part
        if (
            len(part.section) > MAX_DEPTH
        ):  # By replacing what is innermost they would grow in each other endlessly.
            raise Fault("parts are nested too deeply")
        if part is message.root:
            self._replace_message(machine, content)
        else:
            part.replace(_kept_fields(part) + content)
        message.body_edits += 1
        machine.note(PartReplaced(machine.place, part.section))

    def _replace_message(self, machine: Machine, content: bytes) -> None:
        """The message keeps its own fields; those of its content come from the replacement."""
        message = machine.message
        header = message.header
        for name in _content_names(header):
            header.delete(list(header.named(name)))
        split = header_end(content)
        for field in fields(content[:split]):
            if _is_of_content(field.name.lower()):
                header.add_last(field.name, field.value.strip(b" \t\r\n"))
        header.add_last(b"MIME-Version", b"1.0")
        self._rename(machine, header, self.subject, b"Subject")
        self._rename(machine, header, self.sender, b"From")
        message.root.replace(content if split is not None else content + b"\r\n\r\n")
        message.root.header = header

    def _rename(self, machine: Machine, header: HeaderBlock, text: Text | None, name: bytes) -> None:
        """A new Subject or From; the former one stays as Original-Subject or Original-From."""
        if text is None:
            return
        value = field_value(name, text.value(machine), machine.limits.header_value_octets)
        before = list(header.named(name.lower()))
        for field in before:
            header.add_last(b"Original-" + name, field.raw_value.strip(b" \t\r\n"))
        header.delete(before)
        header.add_last(name, value)


def text_entity(text: bytes) -> bytes:
    """A text/plain entity."""
    encoding, body = encode_text(text.decode("utf-8", "replace"))
    return (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        + encoding
        + b"\r\n\r\n"
        + body
    )


def _is_of_content(name: bytes) -> bool:
    return name.startswith(b"content-")


def _content_names(header: HeaderBlock) -> list[bytes]:
    return [name for name in header.names if _is_of_content(name) or name == b"mime-version"]


def _kept_fields(part: Part) -> bytes:
    """Of a message within the message the fields that are not about its content; of other parts none."""
    if part.parent is None or part.parent.entity.kind is not EntityKind.MESSAGE:
        return b""
    header = part.header.render()
    if len(header) > MAX_HEADER_READ_OCTETS:
        raise Fault("the header of the message in there is too large to be kept")
    return b"".join(
        field.raw
        for field in fields(header)
        if not _is_of_content(field.name.lower()) and field.name.lower() != b"mime-version"
    )


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return ReplaceCommand("mime" in bound, bound.tag_text("subject"), bound.tag_text("from"), bound.text(0))


_TAGS = (Tag("mime"), Tag("subject", Kind.STRING), Tag("from", Kind.STRING))
KINDS = (CommandKind("replace", Shape(((Kind.STRING,),), _TAGS), _compile, "replace"),)
