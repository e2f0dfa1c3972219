""" "notify" (RFC 5435) by mail (RFC 5436), with ":fcc" (RFC 8580).

The method may not hold anything that was taken from the message: else whoever sends it could choose who is notified
(RFC 5435 §8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sieve.actions import Notify, NotSent, Withheld
from sieve.addresses import outgoing_address
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.commands.file_copy import FILE_COPY_TAGS, FileCopyChoice, read_file_copy
from sieve.commands.vacation import one_line
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.machine import Machine, shown
from sieve.mailto import MailTo, parse_mailto
from sieve.personal import is_automatic
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text

_OPTION = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]*+=[^\x00\r\n]*+\Z")
_IMPORTANCES = {b"1": 1, b"2": 2, b"3": 3}


@dataclass(frozen=True, slots=True)
class NotifyCommand:
    """Tell somebody about the message."""

    sender: Text | None
    importance: Text | None
    options: tuple[Text, ...]
    message: Text | None
    method: Text
    file_copy: FileCopyChoice | None

    def run(self, machine: Machine) -> None:
        method = self.method.value(machine)
        if not machine.is_trusted(self.method):
            raise Fault("what is taken from the message can't say who is notified")
        mailto = parse_mailto(method)
        if mailto is None:
            raise Fault(f'"{shown(method)[:100]}" is no method to notify anybody')
        importance = b"2" if self.importance is None else self.importance.value(machine)
        if importance not in _IMPORTANCES:
            raise Fault('the importance must be "1", "2" or "3"')
        options = [option.value(machine) for option in self.options]
        for option in options:
            if _OPTION.match(option) is None:
                raise Fault(f'"{shown(option)[:100]}" is no option')
        sender = self._sender(machine)
        if is_automatic(machine.message.header):
            machine.ledger.notify(NotSent(machine.place, "notify", Withheld.AUTOMATIC))
            return
        action = Notify(
            place=machine.place,
            method=shown(method),
            recipients=mailto.recipients,
            copies=mailto.copies,
            sender=sender,
            importance=_IMPORTANCES[importance],
            subject=self._subject(machine, mailto),
            header=mailto.header,
            text=mailto.body or "",
            options=tuple(shown(option) for option in options),
            reverse_path_is_null=not machine.situation.reverse_path,
            file_copy=None if self.file_copy is None else self.file_copy.copy(machine),
        )
        machine.ledger.notify(action)

    def _subject(self, machine: Machine, mailto: MailTo) -> str:
        """ ":message", else what the URI says, else that of the message (RFC 5436 §2.7)."""
        if self.message is not None:
            return one_line(shown(self.message.value(machine)))
        if mailto.subject is not None:
            return one_line(mailto.subject)
        original = machine.message.header.named(b"subject")
        return one_line(shown(original[0].value)) if original else "New message"

    def _sender(self, machine: Machine) -> str | None:
        if self.sender is None:
            return None
        value = self.sender.value(machine)
        address = outgoing_address(value)
        if address is None:
            raise Fault(f'"{shown(value)[:100]}" can\'t be the sender of a notification')
        return shown(value).strip() if machine.situation.is_own(address) else None


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    sender, importance = bound.tag_text("from"), bound.tag_text("importance")
    if sender is not None and sender.is_constant and outgoing_address(sender.source) is None:
        raise bound.error('":from" must be an address')
    if importance is not None and importance.is_constant and importance.source not in _IMPORTANCES:
        raise bound.error('":importance" takes "1", "2" or "3"')
    options = bound.tag_texts("options") or ()
    return NotifyCommand(
        sender, importance, options, bound.tag_text("message"), bound.text(0), read_file_copy(bound)
    )


_TAGS = (
    Tag("from", Kind.STRING),
    Tag("importance", Kind.STRING),
    Tag("options", Kind.STRINGS),
    Tag("message", Kind.STRING),
    *FILE_COPY_TAGS,
)
KINDS = (CommandKind("notify", Shape(((Kind.STRING,),), _TAGS), _compile, "enotify"),)
