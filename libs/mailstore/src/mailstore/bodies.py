"""Bodies of stored messages: prefix and body as one, by ranges, with a digest that is checked."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO
from uuid import uuid4

from blobstore import BlobMissing, BlobShredded, BlobStore, BlobUnavailable, BodyReference
from mailmodel import AccountRef

from mailstore.errors import BodyCorrupt, BodyShredded, StoreUnavailable
from mailstore.types import Readable

# Between two bodies that are read together: less than another request costs.
FAR_OCTETS = 64 * 1024
# Requests for bodies that lie apart, of one reader.
AT_ONCE = 8


# Bodies that come together share an object of up to this size; a larger one has its own.
PACK_OCTETS = 4 * 1024 * 1024


async def put(blobs: BlobStore, account: AccountRef, contents: Sequence[bytes]) -> list[BodyReference]:
    """Store bodies that came together (APPEND), packed. Raises StoreUnavailable."""
    packs: list[list[bytes]] = []
    room = 0
    for content in contents:
        if not packs or len(content) > room:
            packs.append([])
            room = PACK_OCTETS
        packs[-1].append(content)
        room -= len(content)
    stored = await asyncio.gather(*(_put_pack(blobs, account, pack) for pack in packs))
    return [reference for references in stored for reference in references]


async def _put_pack(blobs: BlobStore, account: AccountRef, pack: Sequence[bytes]) -> list[BodyReference]:
    try:
        key = await blobs.put_mail(account.tenant_id, f"append-{uuid4().hex}", datetime.now(UTC), pack)
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    references = []
    offset = 0
    for content in pack:
        references.append(BodyReference(key, offset, len(content), hashlib.sha256(content).digest()))
        offset += len(content)
    return references


async def put_file(
    blobs: BlobStore, account: AccountRef, file: IO[bytes], octets: int, digest: bytes
) -> BodyReference:
    """A long body, from the place where the file stands; it has an object of its own. Raises StoreUnavailable."""
    try:
        key = await blobs.put_mail_file(
            account.tenant_id, f"append-{uuid4().hex}", datetime.now(UTC), file, octets
        )
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    return BodyReference(key, 0, octets, digest)


async def read(blobs: BlobStore, message: Readable, offset: int, length: int) -> bytes:
    """`length` octets from `offset` of prefix and body; fewer where the message ends.

    `message` was fetched with Columns.BODY. Raises StoreUnavailable, BodyCorrupt
    (the whole body was read and is not what was stored, or is gone), BodyShredded.
    """
    reference = message.reference
    if reference is None:
        raise ValueError("fetched without Columns.BODY")
    prefix = message.prefix
    end = min(offset + length, len(prefix) + reference.length)
    if offset >= end:
        return b""
    start_of_body = max(0, offset - len(prefix))
    end_of_body = max(0, end - len(prefix))
    data = b""
    if end_of_body > start_of_body:
        try:
            data = await blobs.get_range(
                reference.object_key, reference.offset + start_of_body, end_of_body - start_of_body
            )
        except BlobShredded as error:
            raise BodyShredded(f"the key of message {message.message_id} was deleted") from error
        except BlobMissing as error:
            raise BodyCorrupt(f"the body of message {message.message_id} is gone") from error
        except BlobUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        if len(data) == reference.length and not reference.matches(data):
            raise BodyCorrupt(f"the body of message {message.message_id} was altered")
    return prefix[offset:end] + data


async def read_whole(blobs: BlobStore, messages: Sequence[Readable]) -> list[bytes]:
    """Prefix and body of several messages, in their order.

    Bodies that lie close together in one object are read by one request: what was delivered together was packed
    together. Raises as `read` does, for all of them when it is so for one.
    """
    groups = list(_neighbours(messages))
    made: list[bytes] = []
    for first in range(0, len(groups), AT_ONCE):
        for bodies in await asyncio.gather(
            *(_read_group(blobs, group) for group in groups[first : first + AT_ONCE])
        ):
            made += bodies
    return made


async def _read_group(blobs: BlobStore, group: Sequence[Readable]) -> list[bytes]:
    """Messages of one object, by one request."""
    references = [_reference(message) for message in group]
    start = references[0].offset
    length = references[-1].offset + references[-1].length - start
    try:
        data = memoryview(await blobs.get_range(references[0].object_key, start, length)) if length else b""
    except BlobShredded as error:
        raise BodyShredded(f"the key of message {group[0].message_id} was deleted") from error
    except BlobMissing as error:
        raise BodyCorrupt(f"the body of message {group[0].message_id} is gone") from error
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    made: list[bytes] = []
    for message, reference in zip(group, references, strict=True):
        body = bytes(data[reference.offset - start : reference.offset - start + reference.length])
        if not reference.matches(body):
            raise BodyCorrupt(f"the body of message {message.message_id} was altered")
        made.append(message.prefix + body)
    return made


def _neighbours(messages: Sequence[Readable]) -> Iterator[list[Readable]]:
    """Runs of messages in one object, each behind the one before it and not far away."""
    run: list[Readable] = []
    end = 0
    for message in messages:
        reference = _reference(message)
        fits = run and _reference(run[0]).object_key == reference.object_key
        if not fits or not 0 <= reference.offset - end <= FAR_OCTETS:
            if run:
                yield run
            run = []
        run.append(message)
        end = reference.offset + reference.length
    if run:
        yield run


def _reference(message: Readable) -> BodyReference:
    if message.reference is None:
        raise ValueError("fetched without Columns.BODY")
    return message.reference
