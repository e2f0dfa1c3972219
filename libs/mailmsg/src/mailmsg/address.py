"""Address lists in header fields (RFC 5322 §3.4), with the obsolete forms (§4.4) and what people really write.

Theory of operation: most addresses are `Name <local@domain>` or `local@domain`; one expression each takes these
at once. Whatever else comes is read token by token with one mark of what was seen so far, so the time is linear and
nesting (of comments) costs no stack. Nothing raises: an address without a domain has the empty domain.

Names and local parts are given without their quoting; encoded words (RFC 2047) are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LIST_OCTETS = 64 * 1024
"""What follows in one list is not read."""

_ATEXT = rb"[!#-'*+\-/-9=?A-Z^-~\x80-\xff]"
_DOT_ATOM = _ATEXT + rb"++(?:\." + _ATEXT + rb"++)*+"
_NAMED = re.compile(
    rb'\s*+(?:"([^"\\\r\n]*+)"|([^"<>@,;:()\[\]\\\r\n]*+))\s*+<('
    + _DOT_ATOM
    + rb")@("
    + _DOT_ATOM
    + rb")>\s*+(?:,|\Z)"
)
_BARE = re.compile(rb"\s*+(" + _DOT_ATOM + rb")@(" + _DOT_ATOM + rb")\s*+(?:,|\Z)")
_TOKEN = re.compile(
    rb'([ \t\r\n]++)|"((?:[^"\\]++|\\.)*+)"?|(\[(?:[^\]\\]++|\\.)*+\]?)|([()<>,;:@])|([^ \t\r\n"\[()<>,;:@]++)',
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"[()]|\\.", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_FOLD = re.compile(rb"\r?\n")


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox. `route` is an obsolete source route as written, else empty."""

    name: bytes
    local_part: bytes
    domain: bytes
    route: bytes = b""

    @property
    def address(self) -> bytes:
        """local-part@domain, the local part quoted where it must be (RFC 5322 §3.4.1)."""
        local_part = self.local_part
        if re.fullmatch(_DOT_ATOM, local_part) is None:
            local_part = b'"' + local_part.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        return local_part + b"@" + self.domain if self.domain else local_part


@dataclass(frozen=True, slots=True)
class Group:
    """A named group of mailboxes, `undisclosed-recipients:;` for one."""

    name: bytes
    members: tuple[Address, ...]


def parse_addresses(value: bytes) -> list[Address | Group]:
    """All addresses and groups of a field's value."""
    return list(iterate_addresses(value))


def mailboxes(value: bytes) -> list[Address]:
    """All addresses of a field's value, those in groups among them."""
    found: list[Address] = []
    for entry in iterate_addresses(value):
        if isinstance(entry, Group):
            found.extend(entry.members)
        else:
            found.append(entry)
    return found


def iterate_addresses(value: bytes) -> Iterator[Address | Group]:
    """The addresses and groups of a field's value one by one."""
    value = value[:MAX_LIST_OCTETS]
    position = 0
    end = len(value)
    while position < end:
        found = _NAMED.match(value, position)
        if found is not None:
            quoted, phrase, local_part, domain = found.groups()
            yield Address(_one_line(phrase).strip() if quoted is None else quoted, local_part, domain)
        else:
            found = _BARE.match(value, position)
            if found is None:
                yield from _Reader(value, position).entries()
                return
            yield Address(b"", found[1], found[2])
        position = found.end()


class _Reader:
    """Reads token by token from `position` to the end."""

    def __init__(self, value: bytes, position: int) -> None:
        self._value = value
        self._position = position
        self._group: bytes | None = None
        self._members: list[Address] = []
        self._clear()

    def _clear(self) -> None:
        # Words before "<", or the local part when no "<" comes; an empty one stands for white space.
        self._phrase: list[bytes] = []
        self._domain: list[bytes] | None = None  # What follows "@".
        self._bracketed: list[bytes] | None = None  # Words after "<".
        self._route = b""
        self._comment = b""
        self._closed = False  # True once ">" was seen: what follows belongs to nothing.

    def entries(self) -> Iterator[Address | Group]:
        value = self._value
        while (token := _TOKEN.match(value, self._position)) is not None:
            self._position = token.end()
            kind = token.lastindex
            if kind == 1:
                self._space()
            elif kind == 4:
                entry = self._special(token[4])
                if entry is not None:
                    yield entry
            elif kind == 2:
                self._word(_QUOTED_PAIR.sub(rb"\1", token[2]))
            else:
                self._word(token[kind] if kind is not None else b"")
        last = self._finish_address()
        if self._group is not None:
            if last is not None:
                self._members.append(last)
            yield Group(self._group, tuple(self._members))
        elif last is not None:
            yield last

    def _word(self, word: bytes) -> None:
        if self._closed:
            return
        if self._domain is not None:
            self._domain.append(word)
        elif self._bracketed is not None:
            self._bracketed.append(word)
        elif word:
            self._phrase.append(word)

    def _words(self) -> bytes:
        return _one_line(b"".join([word or b" " for word in self._phrase])).strip()

    def _space(self) -> None:
        if self._domain is None and self._bracketed is None and self._phrase and self._phrase[-1]:
            self._phrase.append(b"")

    def _special(self, mark: bytes) -> Address | Group | None:
        if mark == b"(":
            self._skip_comment()
        elif mark == b"<":
            if self._domain is None and self._bracketed is None:
                self._bracketed = []
            elif self._domain is not None and self._bracketed is None:
                # `a@b <c@d>`: what stands before the bracket is a name with an unquoted "@".
                self._phrase = [*self._phrase, b"@", *self._domain]
                self._domain = None
                self._bracketed = []
        elif mark == b">":
            self._closed = self._bracketed is not None
        elif mark == b"@":
            if self._domain is None:
                self._domain = []
            else:
                self._word(b"@")
        elif mark == b":":
            self._colon()
        elif mark == b"," and self._in_route():
            self._word(b",")
        elif mark in b",;":
            address = self._finish_address()
            if self._group is not None:
                if address is not None:
                    self._members.append(address)
                if mark == b";":
                    group = Group(self._group, tuple(self._members))
                    self._group = None
                    self._members = []
                    return group
                return None
            return address
        return None

    def _in_route(self) -> bool:
        """True inside `<@a,@b` (obs-route, §4.4)."""
        return self._bracketed is not None and not self._bracketed and self._domain is not None

    def _colon(self) -> None:
        if self._in_route():
            self._route = b"@" + b"".join(self._domain or ())
            self._domain = None
        elif self._domain is None and self._bracketed is None and self._group is None:
            self._group = self._words()
            self._clear()
        else:
            self._word(b":")

    def _skip_comment(self) -> None:
        start = self._position
        depth = 1
        for mark in _COMMENT_MARK.finditer(self._value, start):
            if mark[0] == b"(":
                depth += 1
            elif mark[0] == b")":
                depth -= 1
                if depth == 0:
                    self._comment = _QUOTED_PAIR.sub(rb"\1", self._value[start : mark.start()])
                    self._position = mark.end()
                    return
        self._position = len(self._value)

    def _finish_address(self) -> Address | None:
        name = self._words()
        domain = b"".join(self._domain or ())
        if self._bracketed is not None:
            local_part = b"".join(self._bracketed)
            address = Address(name or _one_line(self._comment).strip(), local_part, domain, self._route)
        elif self._domain is not None or name:
            local_part = name
            if self._domain is not None:
                local_part = b"".join(self._phrase)
            address = Address(_one_line(self._comment).strip(), local_part, domain)
        else:
            self._clear()
            return None
        self._clear()
        return address if address.local_part or address.domain or address.name else None


def _one_line(text: bytes) -> bytes:
    return _FOLD.sub(b"", text) if b"\n" in text else text
