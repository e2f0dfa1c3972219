""" "mailboxexists" (RFC 5490 §3.1), "mailboxidexists" (RFC 9042), "specialuse_exists" (RFC 8579)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape
from sieve.compiler import Compiler
from sieve.machine import Machine, shown
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text
from sieve.world import MailboxExists, MailboxIdExists, SpecialUseExists


@dataclass(frozen=True, slots=True)
class MailboxExistsTest:
    """True where all mailboxes exist."""

    names: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        return all(machine.is_so(MailboxExists(shown(name.value(machine)))) for name in self.names)


@dataclass(frozen=True, slots=True)
class MailboxIdExistsTest:
    """True where mailboxes with all these ids exist."""

    ids: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        return all(machine.is_so(MailboxIdExists(shown(text.value(machine)))) for text in self.ids)


@dataclass(frozen=True, slots=True)
class SpecialUseExistsTest:
    """True where the mailbox has all these uses, or where for each some mailbox has it."""

    mailbox: Text | None
    attributes: tuple[Text, ...]

    def holds(self, machine: Machine) -> bool:
        mailbox = None if self.mailbox is None else shown(self.mailbox.value(machine))
        return all(
            machine.is_so(SpecialUseExists(mailbox, shown(text.value(machine)))) for text in self.attributes
        )


def _mailbox_exists(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return MailboxExistsTest(bound.texts(0))


def _mailbox_id_exists(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return MailboxIdExistsTest(bound.texts(0))


def _special_use_exists(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    mailbox = bound.text(0) if len(bound.positional) == 2 else None
    return SpecialUseExistsTest(mailbox, bound.texts(-1))


KINDS = (
    TestKind("mailboxexists", Shape(((Kind.STRINGS,),)), _mailbox_exists, "mailbox"),
    TestKind("mailboxidexists", Shape(((Kind.STRINGS,),)), _mailbox_id_exists, "mailboxid"),
    TestKind(
        "specialuse_exists",
        Shape(((Kind.STRINGS,), (Kind.STRING, Kind.STRINGS))),
        _special_use_exists,
        "special-use",
    ),
)
