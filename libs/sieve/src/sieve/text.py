"""Strings of a script: encoded characters (RFC 5228 §2.4.2.4) and references to variables (RFC 5229 §3).

Strings are octets throughout, as comparators see them (RFC 5228 §2.7.2); what leaves the library is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sieve.errors import ScriptError

if TYPE_CHECKING:
    from sieve.machine import Machine

MAX_MATCH_INDEX = 99
"""RFC 5229 §6 demands 9."""
MAX_NAME_OCTETS = 128
"""RFC 5229 §6 demands 32 characters."""

_BLANK = rb"[ \t\r\n]"
_ENCODED = re.compile(
    rb"\$\{(?:hex:" + _BLANK + rb"*+([0-9a-f]{1,2}+(?:" + _BLANK + rb"++[0-9a-f]{1,2}+)*+)"
    rb"|unicode:" + _BLANK + rb"*+([0-9a-f]++(?:" + _BLANK + rb"++[0-9a-f]++)*+))" + _BLANK + rb"*+\}",
    re.IGNORECASE,
)
_REFERENCE = re.compile(rb"\$\{((?:[A-Za-z_][A-Za-z0-9_]*+\.(?:[A-Za-z0-9_]++\.)*+)?)([A-Za-z0-9_]++)\}")
_IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*+\Z")
_GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Reference:
    """`${name}`, `${1}` or `${global.name}`. `name` is lower case; `index` is None where it is no match variable."""

    name: str
    index: int | None
    namespace: str


class Text:
    """A string of the script. `source` is what stands there, before variables are put in."""

    __slots__ = ("_pieces", "source")

    def __init__(self, source: bytes, pieces: tuple[bytes | Reference, ...] | None = None) -> None:
        self.source = source
        self._pieces = pieces

    @property
    def is_constant(self) -> bool:
        """True where no variable is put in (RFC 5229 §3)."""
        return self._pieces is None

    @property
    def references(self) -> tuple[Reference, ...]:
        """The variables in it."""
        return tuple(piece for piece in self._pieces or () if isinstance(piece, Reference))

    def value(self, machine: Machine) -> bytes:
        """The string with the variables as they are now."""
        if self._pieces is None:
            return self.source
        return machine.expand(self._pieces)


def read_text(source: bytes, line: int, *, encoded: bool, namespaces: frozenset[str] | None) -> Text:
    """A literal's meaning. `encoded`: encoded characters are on. `namespaces`: None where variables are off."""
    if encoded and b"${" in source:
        source = _decode(source, line)
    if namespaces is None or b"${" not in source:
        return Text(source)
    pieces: list[bytes | Reference] = []
    position = 0
    for found in _REFERENCE.finditer(source):
        reference = _reference(found[1], found[2], line, namespaces)
        if reference is None:
            continue
        if found.start() > position:
            pieces.append(source[position : found.start()])
        pieces.append(reference)
        position = found.end()
    if not pieces:
        return Text(source)
    if position < len(source):
        pieces.append(source[position:])
    return Text(source, tuple(pieces))


def variable_name(name: bytes, line: int, namespaces: frozenset[str]) -> Reference:
    """The variable that "set" and others name (RFC 5229 §4). Raises ScriptError where none may be set by that name."""
    namespace, dot, bare = name.rpartition(b".")
    if len(bare) > MAX_NAME_OCTETS or _IDENTIFIER.match(bare) is None:
        raise ScriptError(f'"{name[:80].decode(errors="replace")}" is no name of a variable', line)
    shown = namespace.decode(errors="replace").lower()
    if dot and (shown != _GLOBAL or _GLOBAL not in namespaces):
        raise ScriptError(f'variables of "{shown[:80]}" can\'t be set here', line)
    return Reference(bare.decode("ascii").lower(), None, shown)


def _reference(prefix: bytes, name: bytes, line: int, namespaces: frozenset[str]) -> Reference | None:
    if not prefix and name.isdigit():
        digits = name.lstrip(b"0") or b"0"
        if len(digits) > 3 or int(digits) > MAX_MATCH_INDEX:
            raise ScriptError(f"match variables end at ${{{MAX_MATCH_INDEX}}}", line)
        return Reference("", int(digits), "")
    if _IDENTIFIER.match(name) is None and not (prefix and name.isdigit()):
        return None
    namespace = prefix[:-1].decode("ascii").lower()
    if namespace and namespace not in namespaces:
        raise ScriptError(f'no required extension has variables called "{namespace[:80]}."', line)
    if len(name) > MAX_NAME_OCTETS:
        raise ScriptError("the name of a variable is too long", line)
    return Reference(name.decode("ascii").lower(), None, namespace)


def _decode(source: bytes, line: int) -> bytes:
    def decoded(found: re.Match[bytes]) -> bytes:
        if found[1] is not None:
            return bytes(int(pair, 16) for pair in found[1].split())
        characters: list[str] = []
        for digits in found[2].split():
            stripped = digits.lstrip(b"0") or b"0"
            number = int(stripped, 16) if len(stripped) <= 6 else 0x110000
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise ScriptError(f"there is no Unicode character {digits[:20].decode('ascii')}", line)
            characters.append(chr(number))
        return "".join(characters).encode("utf-8")

    return _ENCODED.sub(decoded, source)
