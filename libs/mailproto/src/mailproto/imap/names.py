"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), UTF-8 (RFC 9051 §5.1); the patterns of LIST (§6.3.8)."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from enum import Enum


class Dialect(Enum):
    """How names are written: as IMAP4rev1 has it, or as IMAP4rev2, once a client has enabled that."""

    REV1 = "modified UTF-7"
    REV2 = "UTF-8"
    # UTF-8 by RFC 6855: SEARCH has no CHARSET then (§3).
    UTF8 = "UTF-8, and nothing else"


# In characters, with whose mailbox it is; a pattern with more of them than that fits none.
LONGEST_NAME = 2000


class NameInvalid(ValueError):
    """The octets are no mailbox name in modified UTF-7."""


def decode_name(octets: bytes, dialect: Dialect = Dialect.REV1) -> str:
    """A name as text. Raises NameInvalid."""
    if dialect is not Dialect.REV1:
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NameInvalid("a mailbox name is not UTF-8") from error
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError:
        # Clients that speak UTF-8 all the same (RFC 6855 without ENABLE) are understood.
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NameInvalid("a mailbox name is neither modified UTF-7 nor UTF-8") from error
    if "&" not in text:
        return text
    out = []
    position = 0
    while (start := text.find("&", position)) >= 0:
        out.append(text[position:start])
        end = text.find("-", start)
        if end < 0:
            raise NameInvalid("a shift in a mailbox name has no end")
        coded = text[start + 1 : end]
        out.append(_decode_shift(coded) if coded else "&")
        position = end + 1
    out.append(text[position:])
    return "".join(out)


def _decode_shift(coded: str) -> str:
    padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
    try:
        return b64decode(padded, validate=True).decode("utf-16-be")
    except (Base64Error, UnicodeDecodeError, ValueError) as error:
        raise NameInvalid("a shift in a mailbox name is no modified base64") from error


def encode_name(name: str, dialect: Dialect = Dialect.REV1) -> bytes:
    """A name as it is sent to a client."""
    if dialect is not Dialect.REV1:
        return name.encode("utf-8")
    out: list[str] = []
    shifted: list[str] = []

    def unshift() -> None:
        if shifted:
            coded = b64encode("".join(shifted).encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
            out.append(f"&{coded}-")
            shifted.clear()

    for character in name:
        if "\x20" <= character <= "\x7e":
            unshift()
            out.append("&-" if character == "&" else character)
        else:
            shifted.append(character)
    unshift()
    return "".join(out).encode("ascii")


class Pattern:
    """A LIST pattern: `*` is anything, `%` anything but the separator. Matching takes a step for each character of a name."""

    def __init__(self, text: str, separator: str = "/") -> None:
        self._separator = separator
        steps: list[str] = []
        for character in text:
            if character in "*%" and steps and steps[-1] in ("*", character):
                continue
            if character == "*" and steps and steps[-1] == "%":
                steps[-1] = "*"
                continue
            steps.append(character)
        if text[:5].isascii() and text[:5].upper() == "INBOX" and text[5:6] in ("", separator):
            steps[:5] = "INBOX"
        self._steps = steps
        # Places in the pattern as bits of a number: a character moves all of them on at once. No two wildcards are
        # neighbours.
        self._stars = self._wild = 0
        self._places_of: dict[str, int] = {}
        self._fits_none = sum(step not in "*%" for step in steps) > LONGEST_NAME
        for place, step in enumerate(() if self._fits_none else steps):
            if step in "*%":
                self._wild |= 1 << place
                self._stars |= (step == "*") << place
            else:
                self._places_of[step] = self._places_of.get(step, 0) | 1 << place
        # Most patterns are a text and then at most one wildcard.
        self._front = "".join(steps[:-1])
        self._is_simple = bool(steps) and not set(steps[:-1]) & {"*", "%"}

    def matches(self, name: str) -> bool:
        """Whether the whole name fits."""
        steps = self._steps
        if self._is_simple:
            if not name.startswith(self._front):
                return False
            rest = name[len(self._front) :]
            return steps[-1] == "*" or (
                self._separator not in rest if steps[-1] == "%" else rest == steps[-1]
            )
        if self._fits_none:
            return False
        # A wildcard may also match nothing.
        places = 1 | (1 & self._wild) << 1
        for character in name:
            stay = self._stars if character == self._separator else self._wild
            places = places & stay | (places & self._places_of.get(character, 0)) << 1
            places |= (places & self._wild) << 1
            if not places:
                return False
        return bool(places >> len(steps))
