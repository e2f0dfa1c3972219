"""What a milter answers."""

import re
from dataclasses import dataclass
from enum import Enum

from mailproto.milter.packets import MilterBroken, read_strings


class Decision(Enum):
    """A letter that decides about the step, and needs nothing more."""

    CONTINUE = b"c"
    ACCEPT = b"a"
    REJECT = b"r"
    TEMPFAIL = b"t"
    DISCARD = b"d"
    # Of this message no more of the body need be sent.
    SKIP = b"s"
    CONNECTION_FAILED = b"f"
    SHUTDOWN = b"4"


@dataclass(frozen=True, slots=True)
class ReplyCode:
    """Refuse with these words; `text` has its enhanced code in front where there is one. 4yz or 5yz."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """It is still at work: wait on."""


@dataclass(frozen=True, slots=True)
class AddHeader:
    """At the end of the header."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """Before the field with this index, counted from 0; Received that the server makes counts as none."""

    index: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """The `index`th field of this name, counted from 1; an empty value removes it."""

    index: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """`address` as it was given, with angle brackets or without."""

    address: str


@dataclass(frozen=True, slots=True)
class RemoveRecipient:
    """`address` as it was given, with angle brackets or without."""

    address: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Keep it apart."""

    reason: str


Change = AddHeader | InsertHeader | ChangeHeader | AddRecipient | RemoveRecipient | Quarantine
Answer = Decision | ReplyCode | Progress | Change
_REPLY = re.compile(r"([45]\d\d)[ -]?(.*)", re.DOTALL)
_REFUSED = {
    b"b": "the body",
    b"e": "the sender",
    b"2": "parameters of recipients",
    b"l": "the list of macros",
}


def read(letter: bytes, data: bytes) -> Answer:
    """One answer. Raises MilterBroken, also for changes that were not offered."""
    if letter in _REFUSED:
        raise MilterBroken(f"it wants to change {_REFUSED[letter]}, which was not offered to it")
    if any(letter == each.value for each in Decision):
        return Decision(letter)
    match letter:
        case b"y":
            [text] = read_strings(data, 1)
            found = _REPLY.fullmatch(text)
            if found is None:
                raise MilterBroken(f"a reply code that is none: {text[:40]!r}")
            return ReplyCode(int(found[1]), found[2])
        case b"p":
            return Progress()
        case b"h":
            return AddHeader(*read_strings(data, 2))
        case b"i":
            return InsertHeader(_index(data), *read_strings(data[4:], 2))
        case b"m":
            return ChangeHeader(_index(data), *read_strings(data[4:], 2))
        case b"+":
            return AddRecipient(*read_strings(data, 1))
        case b"-":
            return RemoveRecipient(*read_strings(data, 1))
        case b"q":
            return Quarantine(*read_strings(data, 1))
    raise MilterBroken(f"an answer that nobody knows: {letter!r}")


def _index(data: bytes) -> int:
    if len(data) < 4:
        raise MilterBroken("an index that is cut off")
    return int.from_bytes(data[:4], "big")
