""" "address" (RFC 5228 §5.1) and "envelope" (§5.4), with ":user" and ":detail" (RFC 5233)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mailmsg.address import Address, mailboxes

from sieve.addresses import local_part_and_domain
from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.conditions.fields import INDEX_TAGS, MIME_TAGS, FieldChoice, field_names, read_field_choice
from sieve.errors import Fault
from sieve.machine import Machine, shown
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode
from sieve.text import Text

_RESENDABLE = ("from", "sender", "reply-to", "to", "cc", "bcc")
_TRACE = ("return-path", "delivered-to", "envelope-to", "errors-to", "x-original-to", "apparently-to")
_ASKED_FOR = ("mail-followup-to", "mail-reply-to", "disposition-notification-to", "return-receipt-to")
_OTHERS = ("original-from", "approved", "list-post")

ADDRESS_FIELDS = frozenset(
    name.encode()
    for name in (*_RESENDABLE, *(f"resent-{name}" for name in _RESENDABLE), *_TRACE, *_ASKED_FOR, *_OTHERS)
)
"""Fields that hold addresses; the test is restricted to them."""

_PART_TAGS = (
    Tag("all", group="address part"),
    Tag("localpart", group="address part"),
    Tag("domain", group="address part"),
    Tag("user", None, "subaddress", "address part"),
    Tag("detail", None, "subaddress", "address part"),
)
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_ENVELOPE_PARTS = frozenset({b"from", b"to"})


class AddressPart(Enum):
    """Which part of an address is compared (RFC 5228 §2.7.4, RFC 5233 §4)."""

    ALL = "all"
    LOCAL_PART = "localpart"
    DOMAIN = "domain"
    USER = "user"
    DETAIL = "detail"


def _part(local_part: bytes, domain: bytes, part: AddressPart, separator: bytes) -> bytes | None:
    if part is AddressPart.DOMAIN:
        return domain
    if part is AddressPart.LOCAL_PART:
        return local_part
    user, found, detail = local_part.partition(separator) if separator else (local_part, b"", b"")
    if part is AddressPart.USER:
        return user
    return detail if found else None


@dataclass(frozen=True, slots=True)
class AddressTest:
    """True where an address in a field matches a key."""

    choice: FieldChoice
    part: AddressPart
    names: tuple[Text, ...]
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        names = [name for name in field_names(machine, self.names) if name in ADDRESS_FIELDS]
        addresses = self._addresses(machine, names)
        if self.matcher.counts:
            return self.matcher.number(machine, sum(1 for _ in addresses))
        separator = machine.situation.subaddress_separator.encode()
        values = (value for address in addresses for value in self._values(address, separator))
        return self.matcher.any(machine, values, Source.MESSAGE)

    def _addresses(self, machine: Machine, names: list[bytes]) -> Iterator[Address]:
        for field in self.choice.fields(machine, names):
            machine.spend(1 + len(field.raw_value) // 16)
            yield from mailboxes(field.unfolded)

    def _values(self, address: Address, separator: bytes) -> Iterator[bytes]:
        if self.part is AddressPart.ALL:
            yield address.address
        elif address.local_part and address.domain:
            value = _part(address.local_part, address.domain, self.part, separator)
            if value is not None:
                yield value


@dataclass(frozen=True, slots=True)
class EnvelopeTest:
    """True where an address of the envelope matches a key."""

    part: AddressPart
    names: tuple[Text, ...]
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        if not machine.situation.has_envelope:
            raise Fault("a message that is not being delivered has no envelope")
        paths = [self._path(machine, name.value(machine)) for name in self.names]
        if self.matcher.counts:
            return self.matcher.number(machine, sum(1 for path in paths if path))
        separator = machine.situation.subaddress_separator.encode()
        values = (value for path in paths for value in self._values(path, separator))
        return self.matcher.any(machine, values, Source.MESSAGE)

    def _path(self, machine: Machine, name: bytes) -> bytes:
        lower = name.lower()
        if lower not in _ENVELOPE_PARTS:
            raise Fault(f'the envelope has no part "{shown(name)[:100]}"')
        situation = machine.situation
        return (situation.reverse_path if lower == b"from" else situation.forward_path).encode()

    def _values(self, path: bytes, separator: bytes) -> Iterator[bytes]:
        # "The null reverse-path is matched against as the empty string, regardless of the ADDRESS-PART" (§5.4).
        if not path or self.part is AddressPart.ALL:
            yield path
            return
        pieces = local_part_and_domain(path)
        if pieces is not None:
            value = _part(*pieces, self.part, separator)
            if value is not None:
                yield value


def _address_part(bound: Bound) -> AddressPart:
    return AddressPart(bound.one_of("all", "localpart", "domain", "user", "detail") or "all")


def _address(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    names = bound.texts(0)
    for name in names:
        # What is no name of a field is in no message, and no error (RFC 5228 §2.4.2.2).
        is_name = name.is_constant and _FIELD_NAME.fullmatch(name.source) is not None
        if is_name and name.source.lower() not in ADDRESS_FIELDS:
            raise bound.error(f'the field "{shown(name.source)[:100]}" holds no addresses')
    matcher = read_matcher(bound, compiler.scope, bound.texts(1))
    return AddressTest(read_field_choice(bound), _address_part(bound), names, matcher)


def _envelope(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    names = bound.texts(0)
    for name in names:
        if name.is_constant and name.source.lower() not in _ENVELOPE_PARTS:
            raise bound.error(f'the envelope has no part "{shown(name.source)[:100]}"')
    return EnvelopeTest(_address_part(bound), names, read_matcher(bound, compiler.scope, bound.texts(1)))


_FORMS = ((Kind.STRINGS, Kind.STRINGS),)
KINDS = (
    TestKind("address", Shape(_FORMS, (*MATCH_TAGS, *_PART_TAGS, *INDEX_TAGS, *MIME_TAGS)), _address),
    TestKind("envelope", Shape(_FORMS, (*MATCH_TAGS, *_PART_TAGS)), _envelope, "envelope"),
)
