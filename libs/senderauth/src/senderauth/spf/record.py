"""Reading an SPF record (RFC 7208 §4.5, §4.6.1, §12): the whole of it before anything is evaluated.

    record    = "v=spf1" *( 1*SP ( directive / modifier ) ) *SP
    directive = [ qualifier ] mechanism
    modifier  = redirect / explanation / unknown-modifier

A fault anywhere in it makes the whole record a PERMERROR, so nothing here is lazy. Linear in the record's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from senderauth.result import Result
from senderauth.spf.macro import SyntaxFault, Template, parse_domain_spec, parse_macro_string

KEPT_RECORDS = 1024
KEPT_LENGTH = 1024

_VERSION = "v=spf1"
_QUALIFIERS = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_DUAL_CIDR_END = re.compile(r"(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_NETWORK = re.compile(r":([0-9A-Fa-f:.]+)(?:/(0|[1-9][0-9]{0,2}))?")


class Kind(Enum):
    """The mechanisms (§5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Directive:
    """One mechanism and what it means when it matches.

    `domain` is None where the record's own domain is meant. `network` belongs to ip4 and ip6, the prefix lengths to
    a and mx.
    """

    text: str
    result: Result
    kind: Kind
    domain: Template | None = None
    network: IPv4Network | IPv6Network | None = None
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """A record in parts."""

    directives: tuple[Directive, ...]
    redirect: Template | None = None
    explanation: Template | None = None


def select_records(texts: Iterable[str]) -> list[str]:
    """Those TXT records that are SPF's: the version, and then a space or the end (§4.5)."""
    found = []
    for text in texts:
        version, after = text[: len(_VERSION)], text[len(_VERSION) : len(_VERSION) + 1]
        if version.lower() == _VERSION and after in ("", " "):
            found.append(text)
    return found


def parse_record(text: str) -> Record:
    """The record in parts. Raises SyntaxFault.

    The last `KEPT_RECORDS` are kept as they were parsed: a few providers' records stand behind most mail.
    """
    return _parse_kept(text) if len(text) <= KEPT_LENGTH else _parse(text)


def _parse(text: str) -> Record:
    directives = []
    modifiers: dict[str, Template] = {}
    for term in text[len(_VERSION) :].split(" "):
        if not term:
            continue
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            directives.append(_parse_directive(term))
            continue
        name = modifier[1].lower()
        if name not in ("redirect", "exp"):
            parse_macro_string(modifier[2])
        elif name in modifiers:
            raise SyntaxFault(f"{name}= stands twice")
        else:
            modifiers[name] = parse_domain_spec(modifier[2])
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


_parse_kept = lru_cache(KEPT_RECORDS)(_parse)


def _parse_directive(term: str) -> Directive:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise SyntaxFault(f"no term: {term[:40]!a}")
    qualifier, name, argument = found.groups()
    try:
        kind = Kind(name.lower())
    except ValueError:
        raise SyntaxFault(f"no mechanism: {term[:40]!a}") from None
    result = _QUALIFIERS[qualifier or "+"]
    shown = term[:80]
    match kind:
        case Kind.ALL:
            if argument:
                raise SyntaxFault("all takes nothing")
            return Directive(shown, result, kind)
        case Kind.INCLUDE | Kind.EXISTS:
            return Directive(shown, result, kind, _domain(argument))
        case Kind.PTR:
            return Directive(shown, result, kind, _domain(argument) if argument else None)
        case Kind.A | Kind.MX:
            return _parse_host(shown, result, kind, argument)
        case Kind.IP4 | Kind.IP6:
            return Directive(shown, result, kind, network=_network(kind, argument))


def _domain(argument: str) -> Template:
    if not argument.startswith(":"):
        raise SyntaxFault(f"a domain is missing: {argument[:40]!a}")
    return parse_domain_spec(argument[1:])


def _parse_host(shown: str, result: Result, kind: Kind, argument: str) -> Directive:
    # A domain-spec may hold "/" itself, so the prefix lengths are read from the end; they have at most 8 characters.
    tail = argument[-8:]
    lengths = next(found for start in range(len(tail) + 1) if (found := _DUAL_CIDR_END.match(tail, start)))
    domain = argument[: len(argument) - len(lengths[0])]
    prefix4 = _prefix(lengths[1], 32)
    prefix6 = _prefix(lengths[2], 128)
    return Directive(shown, result, kind, _domain(domain) if domain else None, None, prefix4, prefix6)


def _prefix(digits: str | None, longest: int) -> int:
    length = longest if digits is None else int(digits)
    if length > longest:
        raise SyntaxFault(f"a prefix of {length} bits")
    return length


def _network(kind: Kind, argument: str) -> IPv4Network | IPv6Network:
    found = _NETWORK.fullmatch(argument)
    if found is None:
        raise SyntaxFault(f"no network: {argument[:60]!a}")
    try:
        if kind is Kind.IP4:
            return IPv4Network((int(IPv4Address(found[1])), _prefix(found[2], 32)), strict=False)
        return IPv6Network((int(IPv6Address(found[1])), _prefix(found[2], 128)), strict=False)
    except ValueError:
        raise SyntaxFault(f"no network: {argument[:60]!a}") from None
