"""SPF's macro language (RFC 7208 §7): checked when a record is read, expanded when a term is evaluated.

    domain-spec   = macro-string domain-end
    macro-string  = *( macro-expand / macro-literal )
    macro-expand  = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"

A text becomes a tuple of literals and macros once; expanding joins them. The names that %{p} needs cost questions, so
they are asked for only when `needs_reverse_name` says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from urllib.parse import quote

from senderauth.names import MAX_NAME_OCTETS, Address

MAX_EXPANDED = 4096
"""An expansion that grows longer is given up: no name and no explanation has use for it."""

_PIECE = re.compile(
    r"(?P<literal>[!-$&-~]+)"
    r"|%(?P<escape>[%_-])"
    r"|%\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[-.+,/_=]*)\}"
    r"|(?P<space> +)"
)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_NAME_LETTERS = frozenset("slodipvh")
_TEXT_LETTERS = _NAME_LETTERS | frozenset("crt")
# toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ): not all digits.
_TOPLABEL = re.compile(r"(?![0-9]*\Z)[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+")
_ENDS_IN_ESCAPE = re.compile(r"%[%_-]\Z")


class SyntaxFault(Exception):
    """The published text is not SPF: PERMERROR. The message says where."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro-expand with a letter. `parts` 0 keeps all of them."""

    letter: str
    parts: int
    reverse: str
    delimiters: str
    escaped: str
    """"escaped" where the letter was upper case, else empty."""


Template = tuple[str | Macro, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What macros can stand for. `domain` is that of the record at hand, `reverse_name` is %{p}."""

    address: Address
    domain: str
    local_part: str
    sender_domain: str
    helo: str
    receiver: str
    now: datetime
    reverse_name: str = "unknown"


def parse_macro_string(text: str) -> Template:
    """A macro-string with any letter, as unknown modifiers carry it. Raises SyntaxFault."""
    return _parse(text, _TEXT_LETTERS, spaces_allowed="")


def parse_explanation(text: str) -> Template:
    """An explain-string: spaces, and the letters c, r and t (§6.2). Raises SyntaxFault."""
    return _parse(text, _TEXT_LETTERS, spaces_allowed=" ")


def parse_domain_spec(text: str) -> Template:
    """A domain-spec: ends in a macro, or in a dot and a label that can be a top-level domain. Raises SyntaxFault."""
    template = _parse(text, _NAME_LETTERS, spaces_allowed="")
    if not template:
        raise SyntaxFault("an empty domain")
    if isinstance(template[-1], str) and _ENDS_IN_ESCAPE.search(text) is None:
        dot, label = text.removesuffix(".").rpartition(".")[1:]
        if not dot or _TOPLABEL.fullmatch(label) is None:
            raise SyntaxFault(f"no domain: {text[:80]}")
    return template


def _parse(text: str, letters: frozenset[str], *, spaces_allowed: str) -> Template:
    pieces: list[str | Macro] = []
    position = 0
    while position < len(text):
        found = _PIECE.match(text, position)
        if found is None or (found["space"] is not None and not spaces_allowed):
            raise SyntaxFault(f"cannot be read: {text[position : position + 40]!a}")
        position = found.end()
        if found["letter"] is None:
            escape = found["escape"]
            pieces.append(_ESCAPES[escape] if escape is not None else found[0])
            continue
        letter = found["letter"].lower()
        if letter not in letters:
            raise SyntaxFault(f"macro {found[0][:20]} is not allowed here")
        digits = found["digits"].lstrip("0")
        if found["digits"] and not digits:
            raise SyntaxFault("a macro that keeps 0 parts")
        parts = int(digits[:3] or "0") if len(digits) <= 3 else MAX_EXPANDED
        escaped = "escaped" if found["letter"].isupper() else ""
        pieces.append(Macro(letter, parts, found["reverse"], found["delimiters"] or ".", escaped))
    return tuple(pieces)


def needs_reverse_name(template: Template) -> bool:
    """True where %{p} occurs."""
    return any(isinstance(piece, Macro) and piece.letter == "p" for piece in template)


def expand(template: Template, facts: Facts) -> str | None:
    """The text; None where it is longer than `MAX_EXPANDED` characters."""
    pieces = []
    length = 0
    for piece in template:
        text = piece if isinstance(piece, str) else _expand_macro(piece, facts)
        length += len(text)
        if length > MAX_EXPANDED:
            return None
        pieces.append(text)
    return "".join(pieces)


def expand_name(template: Template, facts: Facts) -> str | None:
    """A name to ask DNS for: labels are dropped from the left until it fits (§7.3). None where it is too long."""
    text = expand(template, facts)
    if text is None:
        return None
    name = text.removesuffix(".").lower()
    if len(name) > MAX_NAME_OCTETS:
        return name[-MAX_NAME_OCTETS - 1 :].partition(".")[2]
    return name


def _expand_macro(macro: Macro, facts: Facts) -> str:
    value = _value(macro.letter, facts)
    if macro.parts or macro.reverse or macro.delimiters != ".":
        split = re.split("[" + re.escape(macro.delimiters) + "]", value)
        if macro.reverse:
            split.reverse()
        value = ".".join(split[-macro.parts :])
    return quote(value, safe="") if macro.escaped else value


def _value(letter: str, facts: Facts) -> str:
    match letter:
        case "s":
            return f"{facts.local_part}@{facts.sender_domain}"
        case "l":
            return facts.local_part
        case "o":
            return facts.sender_domain
        case "d":
            return facts.domain
        case "i":
            return str(facts.address) if isinstance(facts.address, IPv4Address) else _nibbles(facts.address)
        case "p":
            return facts.reverse_name
        case "v":
            return "in-addr" if isinstance(facts.address, IPv4Address) else "ip6"
        case "h":
            return facts.helo
        case "c":
            return str(facts.address)
        case "r":
            return facts.receiver
        case _:
            return str(int(facts.now.timestamp()))


def _nibbles(address: Address) -> str:
    return ".".join(address.packed.hex())
