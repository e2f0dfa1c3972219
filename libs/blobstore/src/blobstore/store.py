"""A bucket of an S3-compatible object storage, through obstore.

`put` returns when the storage has acknowledged the whole object; that the
acknowledgement means "on stable storage" is the storage's configuration
(docs/adr/0005).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from blobstore.errors import BlobAltered, BlobMissing, BlobUnavailable
from blobstore.keys import mail_key

# Above this a PUT goes up in parts, so that a broken connection costs one part.
MULTIPART_OCTETS = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing shows it."""

    key: str
    size_octets: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """A short content that rests elsewhere than in the bucket, as it may rest there; `key_version` 0: as it is."""

    content: bytes
    key_version: int = 0


class BlobStore:
    """Objects by key. Safe to share between tasks."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    @classmethod
    def open(
        cls, url: str, bucket: str, access_key: str, secret_key: str, *, timeout_seconds: float = 20.0
    ) -> "BlobStore":
        """Address a bucket; nothing is sent yet. Path-style addressing, as every S3 server has it.

        Octets are signed on their way to other machines only (docs/adr/0005).
        """
        return cls(
            S3Store(
                bucket,
                endpoint=url,
                access_key_id=access_key,
                secret_access_key=secret_key,
                region="us-east-1",
                virtual_hosted_style_request=False,
                unsigned_payload=_is_this_machine(url),
                client_options={
                    "allow_http": url.startswith("http://"),
                    "timeout": timedelta(seconds=timeout_seconds),
                    "connect_timeout": timedelta(seconds=3),
                },
                retry_config={
                    "max_retries": 3,
                    "retry_timeout": timedelta(seconds=timeout_seconds),
                    "backoff": {
                        "init_backoff": timedelta(milliseconds=50),
                        "max_backoff": timedelta(seconds=1),
                        "base": 2,
                    },
                },
            )
        )

    async def put(self, key: str, chunks: Sequence[bytes]) -> None:
        """Store one object from its pieces. Raises BlobUnavailable; then nothing is promised."""
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        try:
            await obstore.put_async(
                self._store,
                key,
                body,
                use_multipart=len(body) > MULTIPART_OCTETS,
                chunk_size=MULTIPART_OCTETS,
            )
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"cannot put {key}: {_sentence(error)}") from error

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        """The same from a file, from where it stands; a few parts of it are in memory at once."""
        try:
            await obstore.put_async(
                self._store, key, file, use_multipart=True, chunk_size=MULTIPART_OCTETS, max_concurrency=2
            )
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"cannot put {key}: {_sentence(error)}") from error

    async def put_mail(self, tenant_id: str, object_id: str, at: datetime, chunks: Sequence[bytes]) -> str:
        """Store mail of one tenant, as it may rest; the key that it has now. Raises BlobUnavailable."""
        key = mail_key(tenant_id, object_id, at)
        await self.put(key, chunks)
        return key

    async def put_mail_file(
        self, tenant_id: str, object_id: str, at: datetime, file: IO[bytes], octets: int
    ) -> str:
        """The same from a file, from where it stands, of so many octets from there."""
        key = mail_key(tenant_id, object_id, at)
        await self.put_file(key, file)
        return key

    async def is_sealing(self, tenant_id: str) -> bool:
        """Whether what is put for this tenant now is encrypted. Raises BlobUnavailable."""
        return False

    async def seal_piece(self, tenant_id: str, place: str, content: bytes) -> Piece:
        """As it may rest in that place outside the bucket. Raises BlobUnavailable."""
        return Piece(content)

    async def open_piece(self, tenant_id: str, place: str, piece: Piece) -> bytes:
        """What was sealed for that place. Raises BlobMissing, BlobUnavailable."""
        if piece.key_version:
            raise BlobAltered(f"{place} is sealed, and nobody here has keys")
        return piece.content

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Octets offset .. offset + length of an object.

        Raises BlobMissing, or BlobUnavailable (also where the object is shorter than that).
        """
        if length == 0:
            return b""
        try:
            found = await obstore.get_range_async(self._store, key, start=offset, length=length)
        except FileNotFoundError as error:
            raise BlobMissing(key) from error
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"cannot get {key}: {_sentence(error)}") from error
        data = bytes(found)
        if len(data) != length:
            raise BlobUnavailable(f"{key} gave {len(data)} octets instead of {length} from {offset}")
        return data

    async def get(self, key: str) -> bytes:
        """A whole object. Raises BlobMissing or BlobUnavailable."""
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise BlobMissing(key) from error
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"cannot get {key}: {_sentence(error)}") from error

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there counts as removed. Raises BlobUnavailable."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"cannot delete {key}: {_sentence(error)}") from error

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects under a prefix. Raises BlobUnavailable."""
        try:
            async for page in obstore.list(self._store, prefix, chunk_size=500):
                for item in page:
                    yield ObjectInfo(item["path"], item["size"], item["last_modified"])
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"cannot list {prefix}: {_sentence(error)}") from error

    async def check(self) -> None:
        """Raise BlobUnavailable while the storage does not answer for this bucket."""
        try:
            await obstore.head_async(self._store, "health/absent")
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise BlobUnavailable(f"object storage is unwell: {_sentence(error)}") from error


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sentence(error: BaseException) -> str:
    """What went wrong, without the client's dump of its own state."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
