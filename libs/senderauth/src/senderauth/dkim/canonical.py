"""Canonical forms (RFC 6376 §3.4): what of a message's octets a signature covers.

Bodies are hashed in one walk for each mode, whatever the number of signatures, and in windows of whole lines, so that a
relaxed body is never copied as a whole unless it is one line. All of it is linear.
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

_WINDOW_OCTETS = 256 * 1024
_CRLF_BLOCK = b"\r\n" * 16384

_LINE_END = re.compile(rb"\r?\n")
_SPACES = re.compile(rb"[ \t]+")
_TWO_SPACES = re.compile(rb"  +")


class Mode(Enum):
    """The two algorithms; the value is the word in c=."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class BodyHash:
    """SHA-256 of a canonical body, or of its first octets, and the length of the whole canonical body."""

    digest: bytes
    body_octets: int


def canonical_field(name: bytes, value: bytes, mode: Mode) -> bytes:
    """A field without its last line end. `value` is what follows the colon, as written; simple wants `name` so too."""
    if mode is Mode.SIMPLE:
        return name + b":" + value.removesuffix(b"\n").removesuffix(b"\r")
    flat = _SPACES.sub(b" ", _LINE_END.sub(b"", value)).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + flat


def canonical_body(message: bytes, start: int, mode: Mode) -> Iterator[bytes | memoryview]:
    """The canonical octets of the body that begins at `start`, in pieces."""
    if mode is Mode.SIMPLE:
        yield memoryview(message)[start : _trimmed_end(message, start)]
        yield b"\r\n"
        return
    line_ends = 0  # CRLFs that only count when something comes after them.
    is_empty = True
    position = start
    while position < len(message):
        end = _window_end(message, position)
        lines = _relax(message[position:end])
        position = end
        kept = _trimmed_end(lines, 0)
        if kept:
            if line_ends:
                yield b"\r\n" * line_ends
            yield lines[:kept]
            is_empty = False
            line_ends = 0
        line_ends += (len(lines) - kept) // 2
    if not is_empty:
        yield b"\r\n"


def _window_end(message: bytes, position: int) -> int:
    """Where the last whole line that begins within the window ends."""
    limit = position + _WINDOW_OCTETS
    if limit >= len(message):
        return len(message)
    found = message.rfind(b"\r\n", position, limit)
    if found < 0:
        found = message.find(b"\r\n", limit - 1)
    return len(message) if found < 0 else found + 2


def _relax(lines: bytes) -> bytes:
    """Runs of white space to one space, none before a line's end."""
    lines = lines.replace(b"\t", b" ")
    lines = _TWO_SPACES.sub(b" ", lines).replace(b" \r\n", b"\r\n")
    return lines.removesuffix(b" ")


def _trimmed_end(octets: bytes, start: int) -> int:
    """Where the octets end without the CRLFs at their end."""
    end = len(octets)
    while octets.endswith(_CRLF_BLOCK, start, end):
        end -= len(_CRLF_BLOCK)
    while octets.endswith(b"\r\n", start, end):
        end -= 2
    return end


def hash_body(
    message: bytes, start: int, wanted: Collection[tuple[Mode, int | None]]
) -> dict[tuple[Mode, int | None], BodyHash]:
    """Hashes of the body for each (mode, l=); l= None is the whole of it."""
    hashes: dict[tuple[Mode, int | None], BodyHash] = {}
    for mode in Mode:
        limits = {limit for wanted_mode, limit in wanted if wanted_mode is mode}
        if not limits:
            continue
        whole = hashlib.sha256()
        parts = {limit: hashlib.sha256() for limit in limits if limit is not None}
        length = 0
        for piece in canonical_body(message, start, mode):
            if None in limits:
                whole.update(piece)
            for limit, part in parts.items():
                if length < limit:
                    part.update(piece[: limit - length])
            length += len(piece)
        if None in limits:
            hashes[mode, None] = BodyHash(whole.digest(), length)
        for limit, part in parts.items():
            hashes[mode, limit] = BodyHash(part.digest(), length)
    return hashes
