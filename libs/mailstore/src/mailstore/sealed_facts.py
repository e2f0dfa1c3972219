"""What the database keeps of a message whose tenant encrypts: header block, list id, ENVELOPE and structures, sealed too.

A sealed column begins with MARK, which nothing that is kept plain does: ENVELOPE and the structures begin with a
parenthesis, a list id with a control character is none, and a header block of as many octets as `header_octets` says is
not sealed. Behind it stand the number of the key and a piece (blobstore.cipher). The part index, dates, sizes, flags,
whether there are attachments and what is put before the message (`prefix`) stay as they are: readers and searches need
them, and they say nothing of what was written.

Of what nobody can open any more a message without subject, people and parts is shown; its octets are not to be had
(bodies.read).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from blobstore import BlobAltered, BlobShredded, BlobStore, BlobUnavailable, Piece

from mailstore.errors import BodyCorrupt, StoreUnavailable
from mailstore.types import Columns, Delivery, NewMessage, StoredMessage

# Octets that PostgreSQL writes with a backslash: a search by header may find anything in such a column (headers.py).
MARK = b"\0\xffPHS1"
_HEAD = len(MARK) + 4
COLUMNS = Columns.HEADER | Columns.ENVELOPE | Columns.STRUCTURE | Columns.KIND
# RFC 9051 §7.5.2
NOBODY = b"(" + b" ".join([b"NIL"] * 10) + b")"


async def seal(blobs: BlobStore, tenant_id: str, messages: Sequence[NewMessage]) -> Sequence[NewMessage]:
    """As they are to be filed. Raises StoreUnavailable."""
    try:
        if not await blobs.is_sealing(tenant_id):
            return messages
        return [await _sealed(blobs, tenant_id, new) for new in messages]
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error


async def seal_deliveries(blobs: BlobStore, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """The same of deliveries for accounts of any tenants; what several get is sealed once. Raises StoreUnavailable."""
    tenants = {delivery.account.tenant_id for delivery in deliveries}
    try:
        sealing = {tenant_id for tenant_id in tenants if await blobs.is_sealing(tenant_id)}
        if not sealing:
            return deliveries
        made: dict[tuple[str, int], NewMessage] = {}
        filed = []
        for delivery in deliveries:
            tenant_id, new = delivery.account.tenant_id, delivery.new
            if tenant_id in sealing and new is not None:
                key = (tenant_id, id(new))
                if key not in made:
                    made[key] = await _sealed(blobs, tenant_id, new)
                delivery = replace(delivery, new=made[key])
            filed.append(delivery)
        return filed
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error


async def _sealed(blobs: BlobStore, tenant_id: str, new: NewMessage) -> NewMessage:
    facts = new.facts
    if facts.envelope.startswith(MARK):
        return new
    return replace(
        new,
        thread_header=facts.header,
        facts=replace(
            facts,
            header=await _column(blobs, tenant_id, "header", facts.header),
            envelope=await _column(blobs, tenant_id, "envelope", facts.envelope),
            bodystructure=await _column(blobs, tenant_id, "bodystructure", facts.bodystructure),
            body=await _column(blobs, tenant_id, "body", facts.body),
            list_id=None
            if facts.list_id is None
            else await _column(blobs, tenant_id, "list_id", facts.list_id),
        ),
    )


async def _column(blobs: BlobStore, tenant_id: str, name: str, content: bytes) -> bytes:
    if not content:
        return content
    piece = await blobs.seal_piece(tenant_id, _place(tenant_id, name), content)
    if not piece.key_version:
        return content
    return MARK + piece.key_version.to_bytes(4, "big") + piece.content


async def opened(
    blobs: BlobStore, tenant_id: str, found: AsyncIterator[list[StoredMessage]]
) -> AsyncIterator[list[StoredMessage]]:
    """Messages as they were filed. Raises StoreUnavailable, BodyCorrupt where a column was altered."""
    async for piece in found:
        if any(map(_is_sealed, piece)):
            piece = [
                await _opened(blobs, tenant_id, message) if _is_sealed(message) else message
                for message in piece
            ]
        yield piece


def _is_sealed(message: StoredMessage) -> bool:
    return (
        message.envelope.startswith(MARK)
        or message.bodystructure.startswith(MARK)
        or (len(message.header) != message.header_octets and message.header.startswith(MARK))
        or (message.list_id is not None and message.list_id.startswith(MARK))
    )


async def _opened(blobs: BlobStore, tenant_id: str, message: StoredMessage) -> StoredMessage:
    columns = {
        name: value
        for name in ("header", "envelope", "bodystructure", "body", "list_id")
        if (value := getattr(message, name) or b"").startswith(MARK)
    }
    found: dict[str, Any]
    try:
        found = {name: await _content(blobs, tenant_id, name, value) for name, value in columns.items()}
    except BlobShredded:
        found = {name: _nothing(name, message) for name in columns}
    except BlobAltered as error:
        raise BodyCorrupt(f"what is kept of message {message.message_id} was altered") from error
    except BlobUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    return replace(message, **found)


async def _content(blobs: BlobStore, tenant_id: str, name: str, value: bytes) -> bytes:
    piece = Piece(value[_HEAD:], int.from_bytes(value[len(MARK) : _HEAD], "big"))
    return await blobs.open_piece(tenant_id, _place(tenant_id, name), piece)


def _place(tenant_id: str, name: str) -> str:
    return f"facts/{tenant_id}/{name}"


def _nothing(name: str, message: StoredMessage) -> bytes | None:
    """A header is then asked of the body, which says what is the matter."""
    if name == "list_id":
        return None
    if name == "header":
        return b""
    if name == "envelope":
        return NOBODY
    part = b'("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BINARY" %d' % message.size_octets
    return part + (b" NIL NIL NIL NIL)" if name == "bodystructure" else b")")
