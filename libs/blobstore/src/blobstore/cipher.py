"""How octets are sealed with a tenant's key: in chunks, so that a range needs only the chunks that it lies in.

    object key     HMAC-SHA-256(data key, context || name)
    chunk i        AES-256-GCM(object key, nonce = i in 11 octets || 1 for the last chunk, else 0; associated data = name)

A name is used for one content only (there is a random salt in it), so no nonce comes twice under one key. It is bound
to the tenant because it begins with it, and to the number of the data key, the length and the salt because these
stand in it. So a chunk opens in its own place and nowhere else.

Pure: no storage, no clock.
"""

import hmac
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_OCTETS = 16 * 1024
TAG_OCTETS = 16
SEALED_CHUNK_OCTETS = CHUNK_OCTETS + TAG_OCTETS
KEY_OCTETS = 32
SALT_OCTETS = 16
_CONTEXT = b"posthouse object key 1\0"
_NAME = re.compile(r"\.k(?P<version>[1-9][0-9]{0,8})\.(?P<octets>[0-9]{1,15})\.[0-9a-f]{32}\Z")


class Altered(Exception):
    """These octets are not what was sealed with this key under this name."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key of a tenant; the newest has the highest `version`, the first is 1."""

    version: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedName:
    """What the name of a sealed object says."""

    name: str
    version: int
    octets: int


def sealed_name(name: str, version: int, octets: int) -> str:
    """A name that is used once, for a content of so many octets."""
    return f"{name}.k{version}.{octets}.{os.urandom(SALT_OCTETS).hex()}"


def read_name(name: str) -> SealedName | None:
    """None where what has this name is not sealed."""
    found = _NAME.search(name)
    return None if found is None else SealedName(name, int(found["version"]), int(found["octets"]))


def sealed_octets(octets: int) -> int:
    """How long a content is when it is sealed."""
    return octets + TAG_OCTETS * _chunks(octets)


def sealed_range(octets: int, offset: int, length: int) -> tuple[int, int]:
    """Offset and length of the sealed chunks that a range of a content of `octets` lies in; the range lies inside it."""
    first, last = _span(offset, length)
    start = first * SEALED_CHUNK_OCTETS
    return start, min((last + 1) * SEALED_CHUNK_OCTETS, sealed_octets(octets)) - start


class ObjectCipher:
    """Seals and opens the chunks of one content."""

    def __init__(self, secret: bytes, name: str, octets: int) -> None:
        if len(secret) != KEY_OCTETS:
            raise ValueError(f"a data key has {KEY_OCTETS} octets")
        self._bound = name.encode()
        self._octets = octets
        self._last = _chunks(octets) - 1
        self._cipher = AESGCM(hmac.digest(secret, _CONTEXT + self._bound, "sha256"))

    def seal(self, content: bytes) -> bytes:
        """All of it. Raises ValueError where it has another length."""
        return b"".join(self.seal_stream((content,)))

    def seal_stream(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Chunks, from pieces of any size. Raises ValueError where they are shorter or longer together."""
        number = 0
        for chunk in _rechunked(pieces):
            is_last = number == self._last
            expected = self._octets - number * CHUNK_OCTETS if is_last else CHUNK_OCTETS
            if len(chunk) != expected or number > self._last:
                raise ValueError("a content is as long as its name says")
            yield self._cipher.encrypt(self._nonce(number), chunk, self._bound)
            number += 1
        if number != self._last + 1:
            raise ValueError("a content is as long as its name says")

    def open_range(self, sealed: bytes, offset: int, length: int) -> bytes:
        """The range out of the chunks that `sealed_range` named. Raises Altered."""
        first, last = _span(offset, length)
        view = memoryview(sealed)
        opened = []
        try:
            for number in range(first, last + 1):
                start = (number - first) * SEALED_CHUNK_OCTETS
                chunk = view[start : start + SEALED_CHUNK_OCTETS]
                opened.append(self._cipher.decrypt(self._nonce(number), chunk, self._bound))
        except (InvalidTag, ValueError) as error:
            raise Altered("it is not what was sealed") from error
        content = opened[0] if len(opened) == 1 else b"".join(opened)
        start = offset - first * CHUNK_OCTETS
        found = content[start : start + length]
        if len(found) != length:
            raise Altered("it is shorter than what was sealed")
        return found

    def open(self, sealed: bytes) -> bytes:
        """All of it. Raises Altered."""
        if len(sealed) != sealed_octets(self._octets):
            raise Altered("it has another length than what was sealed")
        return self.open_range(sealed, 0, self._octets)

    def _nonce(self, number: int) -> bytes:
        return number.to_bytes(11, "big") + (b"\1" if number == self._last else b"\0")


def seal_piece(key: DataKey, place: str, content: bytes) -> bytes:
    """A short content with its salt before it, for where it has a name that is not ours to choose."""
    salt = os.urandom(SALT_OCTETS)
    return salt + _piece_cipher(key, place, salt, len(content)).seal(content)


def open_piece(key: DataKey, place: str, sealed: bytes) -> bytes:
    """What was sealed for this place. Raises Altered."""
    salt, rest = sealed[:SALT_OCTETS], sealed[SALT_OCTETS:]
    if len(salt) < SALT_OCTETS or len(rest) < TAG_OCTETS:
        raise Altered("it is shorter than what was sealed")
    octets = len(rest) - TAG_OCTETS * -(-len(rest) // SEALED_CHUNK_OCTETS)
    if octets < 0:
        raise Altered("it has another length than what was sealed")
    return _piece_cipher(key, place, salt, octets).open(rest)


def _piece_cipher(key: DataKey, place: str, salt: bytes, octets: int) -> ObjectCipher:
    return ObjectCipher(key.secret, f"{place}.k{key.version}.{octets}.{salt.hex()}", octets)


def _chunks(octets: int) -> int:
    """Also nothing is a chunk: that it was nothing is to be known."""
    return max(1, -(-octets // CHUNK_OCTETS))


def _span(offset: int, length: int) -> tuple[int, int]:
    """The first and the last chunk that hold a range; an empty one lies in the chunk of its offset."""
    return offset // CHUNK_OCTETS, (offset + max(length, 1) - 1) // CHUNK_OCTETS


def _rechunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[memoryview] = []
    octets = 0
    some = False
    for piece in pieces:
        view = memoryview(piece)
        while octets + len(view) >= CHUNK_OCTETS:
            room = CHUNK_OCTETS - octets
            yield b"".join((*held, view[:room]))
            some = True
            view = view[room:]
            held, octets = [], 0
        if view:
            held.append(view)
            octets += len(view)
    if held or not some:
        yield b"".join(held)
