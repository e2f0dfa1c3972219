"""Bodies of stored messages: prefix and body as one, by ranges, with a digest that is checked."""

import hashlib
from datetime import UTC, datetime
from uuid import uuid4

from blobstore import BlobMissing, BlobStore, BlobUnavailable, BodyReference, mail_key
from mailmodel import AccountRef

from mailstore.errors import BodyCorrupt, StoreUnavailable
from mailstore.types import StoredMessage


async def put(blobs: BlobStore, account: AccountRef, content: bytes) -> BodyReference:
    """Store a body of its own (APPEND). Raises StoreUnavailable."""
    key = mail_key(account.tenant_id, f"append-{uuid4().hex}", datetime.now(UTC))
    try:
        await blobs.put(key, (content,))
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    return BodyReference(key, 0, len(content), hashlib.sha256(content).digest())


async def read(blobs: BlobStore, message: StoredMessage, offset: int, length: int) -> bytes:
    """`length` octets from `offset` of prefix and body; fewer where the message ends.

    `message` was fetched with Columns.BODY. Raises StoreUnavailable, BodyCorrupt
    (the whole body was read and is not what was stored, or is gone).
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
        except BlobMissing as error:
            raise BodyCorrupt(f"the body of message {message.message_id} is gone") from error
        except BlobUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        if len(data) == reference.length and not reference.matches(data):
            raise BodyCorrupt(f"the body of message {message.message_id} was altered")
    return prefix[offset:end] + data
