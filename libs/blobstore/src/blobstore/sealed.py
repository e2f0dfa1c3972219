"""A bucket in which the bodies of tenants that want it are encrypted (docs/adr/0018).

Whoever reads gives and gets plaintext, offsets of the plaintext too. The name of an object says whether it is sealed and
with which key; what is not sealed is read as ever.

Stacked on a cache, not under it: what lies on a disk is sealed.
"""

import asyncio
import io
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Protocol

from blobstore.cipher import (
    Altered,
    DataKey,
    ObjectCipher,
    SealedName,
    open_piece,
    read_name,
    seal_piece,
    sealed_name,
    sealed_octets,
    sealed_range,
)
from blobstore.errors import BlobAltered
from blobstore.keys import mail_key, tenant_of
from blobstore.store import BlobStore, Piece

# From this size on a thread does it, so that nobody waits.
THREAD_OCTETS = 512 * 1024
READ_OCTETS = 256 * 1024


class Keys(Protocol):
    """The data keys of tenants. Both raise KeysUnavailable."""

    async def current(self, tenant_id: str) -> DataKey | None:
        """The key that encrypts now; None: this tenant's bodies are not encrypted."""

    async def of(self, tenant_id: str, version: int) -> DataKey:
        """The key of what is stored. Raises BlobShredded where it was deleted."""


class SealedBlobStore(BlobStore):
    """The bucket of `below`."""

    def __init__(self, below: BlobStore, keys: Keys) -> None:
        super().__init__(below._store)
        self._below = below
        self._keys = keys

    async def put_mail(self, tenant_id: str, object_id: str, at: datetime, chunks: Sequence[bytes]) -> str:
        """As of the bucket. Raises KeysUnavailable too: then nothing is stored."""
        key = await self._keys.current(tenant_id)
        if key is None:
            return await self._below.put_mail(tenant_id, object_id, at, chunks)
        octets = sum(map(len, chunks))
        name = sealed_name(mail_key(tenant_id, object_id, at), key.version, octets)
        cipher = ObjectCipher(key.secret, name, octets)
        if octets >= THREAD_OCTETS:
            sealed = await asyncio.to_thread(lambda: list(cipher.seal_stream(chunks)))
        else:
            sealed = list(cipher.seal_stream(chunks))
        await self._below.put(name, sealed)
        return name

    async def put_mail_file(
        self, tenant_id: str, object_id: str, at: datetime, file: IO[bytes], octets: int
    ) -> str:
        """As of the bucket. Raises KeysUnavailable too: then nothing is stored."""
        key = await self._keys.current(tenant_id)
        if key is None:
            return await self._below.put_mail_file(tenant_id, object_id, at, file, octets)
        name = sealed_name(mail_key(tenant_id, object_id, at), key.version, octets)
        await self._below.put_file(name, _SealingFile(file, ObjectCipher(key.secret, name, octets)))
        return name

    async def put(self, key: str, chunks: Sequence[bytes]) -> None:
        """What belongs to no tenant, or is sealed already: as of the bucket."""
        await self._below.put(key, chunks)

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        """As `put`."""
        await self._below.put_file(key, file)

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        """As of the bucket. Raises BlobShredded, BlobAltered, KeysUnavailable too."""
        sealed = read_name(key)
        if sealed is None:
            return await self._below.get_range(key, offset, length)
        if length == 0:
            return b""
        if offset + length > sealed.octets:
            raise BlobAltered(f"{key} has {sealed.octets} octets, and not {length} from {offset}")
        start, octets = sealed_range(sealed.octets, offset, length)
        cipher = await self._cipher(sealed)
        data = await self._below.get_range(key, start, octets)
        return await _opened(key, cipher, data, offset, length)

    async def get(self, key: str) -> bytes:
        """As of the bucket. Raises BlobShredded, BlobAltered, KeysUnavailable too."""
        sealed = read_name(key)
        if sealed is None:
            return await self._below.get(key)
        cipher = await self._cipher(sealed)
        data = await self._below.get(key)
        if len(data) != sealed_octets(sealed.octets):
            raise BlobAltered(f"{key} has not the length that it was put with")
        return await _opened(key, cipher, data, 0, sealed.octets)

    async def is_sealing(self, tenant_id: str) -> bool:
        """Whether what is put for this tenant now is encrypted. Raises KeysUnavailable."""
        return await self._keys.current(tenant_id) is not None

    async def seal_piece(self, tenant_id: str, place: str, content: bytes) -> Piece:
        """As of the bucket. Raises KeysUnavailable."""
        key = await self._keys.current(tenant_id)
        return Piece(content) if key is None else Piece(seal_piece(key, place, content), key.version)

    async def open_piece(self, tenant_id: str, place: str, piece: Piece) -> bytes:
        """As of the bucket. Raises BlobShredded, BlobAltered, KeysUnavailable too."""
        if not piece.key_version:
            return piece.content
        key = await self._keys.of(tenant_id, piece.key_version)
        try:
            return open_piece(key, place, piece.content)
        except Altered as error:
            raise BlobAltered(f"{place}: {error}") from error

    async def _cipher(self, sealed: SealedName) -> ObjectCipher:
        key = await self._keys.of(tenant_of(sealed.name), sealed.version)
        return ObjectCipher(key.secret, sealed.name, sealed.octets)


async def _opened(name: str, cipher: ObjectCipher, data: bytes, offset: int, length: int) -> bytes:
    try:
        if length >= THREAD_OCTETS:
            return await asyncio.to_thread(cipher.open_range, data, offset, length)
        return cipher.open_range(data, offset, length)
    except Altered as error:
        raise BlobAltered(f"{name}: {error}") from error


class _SealingFile(io.BufferedReader):
    """Gives the sealed chunks of a file that is read meanwhile, from where it stands."""

    def __init__(self, file: IO[bytes], cipher: ObjectCipher) -> None:
        super().__init__(_SealingRaw(file, cipher))


class _SealingRaw(io.RawIOBase):
    def __init__(self, file: IO[bytes], cipher: ObjectCipher) -> None:
        self._chunks = cipher.seal_stream(iter(lambda: file.read(READ_OCTETS), b""))
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        octets = min(len(buffer), len(self._left))
        buffer[:octets] = self._left[:octets]
        self._left = self._left[octets:]
        return octets
