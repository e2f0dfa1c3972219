""" "fileinto" (RFC 5228 §4.1) with ":copy" (RFC 3894), ":create" (RFC 5490), ":flags" (RFC 5232),
":specialuse" (RFC 8579), ":mailboxid" (RFC 9042)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import FileInto
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.machine import Machine
from sieve.mailbox import FLAGS_TAG, TARGET_TAGS, TargetChoice, current_flags, mailbox_name, read_target
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text


@dataclass(frozen=True, slots=True)
class FileIntoCommand:
    """Put the message into a mailbox."""

    target: TargetChoice
    copies: bool
    flags: tuple[Text, ...] | None

    def run(self, machine: Machine) -> None:
        action = FileInto(
            machine.place,
            self.target.target(machine),
            current_flags(machine, self.flags),
            machine.edition(),
        )
        machine.ledger.file_into(action, copies=self.copies)


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    name = bound.text(0)
    if name.is_constant:
        try:
            mailbox_name(name.source)
        except Fault as fault:
            raise bound.error(str(fault)) from None
    return FileIntoCommand(read_target(bound, name), "copy" in bound, bound.tag_texts("flags"))


_SHAPE = Shape(((Kind.STRING,),), (Tag("copy", None, "copy"), FLAGS_TAG, *TARGET_TAGS))
KINDS = (CommandKind("fileinto", _SHAPE, _compile, "fileinto"),)
