""" "redirect" (RFC 5228 §4.2) with ":copy" (RFC 3894) and ":list" (RFC 6134 §2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import Edition, Redirect, RedirectToList
from sieve.addresses import outgoing_address
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.errors import Fault
from sieve.machine import Machine, shown
from sieve.program import CommandKind, Statement
from sieve.syntax import CommandNode
from sieve.text import Text
from sieve.world import ListExists


@dataclass(frozen=True, slots=True)
class RedirectCommand:
    """Send the message on to an address."""

    address: Text
    copies: bool

    def run(self, machine: Machine) -> None:
        value = self.address.value(machine)
        address = outgoing_address(value)
        if address is None:
            raise Fault(f'"{shown(value)[:100]}" is no address to redirect to')
        machine.ledger.redirect(Redirect(machine.place, address, _edition(machine)), copies=self.copies)


@dataclass(frozen=True, slots=True)
class RedirectToListCommand:
    """Send the message on to a list."""

    name: Text
    copies: bool

    def run(self, machine: Machine) -> None:
        name = shown(self.name.value(machine))
        if not machine.is_so(ListExists(name)):
            raise Fault(f'there is no list "{name[:100]}"')
        machine.ledger.redirect(RedirectToList(machine.place, name, _edition(machine)), copies=self.copies)


def _edition(machine: Machine) -> Edition | None:
    return machine.edition_of(machine.enclosed or machine.message)


def _compile(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    address = bound.text(0)
    copies = "copy" in bound
    if "list" in bound:
        return RedirectToListCommand(address, copies)
    if address.is_constant and outgoing_address(address.source) is None:
        raise bound.error(f'"{shown(address.source)[:100]}" is no address')
    return RedirectCommand(address, copies)


_SHAPE = Shape(((Kind.STRING,),), (Tag("copy", None, "copy"), Tag("list", None, "extlists")))
KINDS = (CommandKind("redirect", _SHAPE, _compile),)
