"""Packing: messages of one tenant that arrive together share one object.

While a write is under way, what arrives meanwhile waits and becomes the next
object. There is no timer: an idle gate writes a message at once, a busy one
packs by itself. A large message has an object of its own and waits for nobody.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from blobstore import BlobStore, mail_key

from spool.envelope import Envelope
from spool.queue_id import new_queue_id
from spool.record import head_of

LARGE_OCTETS = 256 * 1024
PACK_OCTETS = 4 * 1024 * 1024
PACK_RECORDS = 256
# Writes of one tenant under way at once: one packs best, two hide the storage's latency.
WRITES_AT_ONCE = 2


@dataclass(slots=True)
class _Pending:
    head: bytes
    content: bytes
    written: "asyncio.Future[tuple[str, int]]"


class Packer:
    """The open pack of each tenant."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._waiting: dict[str, list[_Pending]] = {}
        self._writing: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, envelope: Envelope, content: bytes) -> tuple[str, int]:
        """Store one record; returns (object key, offset of the message). Raises BlobUnavailable."""
        head = head_of(envelope)
        if len(content) >= LARGE_OCTETS:
            key = mail_key(envelope.tenant_id, envelope.queue_id, envelope.arrived_at)
            await self._blobs.put(key, (head, content))
            return key, len(head)
        pending = _Pending(head, content, asyncio.get_running_loop().create_future())
        tenant_id = envelope.tenant_id
        self._waiting.setdefault(tenant_id, []).append(pending)
        if self._writing.get(tenant_id, 0) < WRITES_AT_ONCE:
            self._writing[tenant_id] = self._writing.get(tenant_id, 0) + 1
            task = asyncio.create_task(self._write_packs(tenant_id, envelope))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await pending.written

    async def _write_packs(self, tenant_id: str, first: Envelope) -> None:
        try:
            while pack := self._take(tenant_id):
                await self._write_pack(tenant_id, pack, first)
        finally:
            self._writing[tenant_id] -= 1
            if not self._writing[tenant_id]:
                del self._writing[tenant_id]

    def _take(self, tenant_id: str) -> Sequence[_Pending]:
        waiting = self._waiting.get(tenant_id, [])
        count = octets = 0
        for pending in waiting:
            if count == PACK_RECORDS or (count and octets + len(pending.content) > PACK_OCTETS):
                break
            count += 1
            octets += len(pending.content)
        pack, rest = waiting[:count], waiting[count:]
        if rest:
            self._waiting[tenant_id] = rest
        else:
            self._waiting.pop(tenant_id, None)
        return pack

    async def _write_pack(self, tenant_id: str, pack: Sequence[_Pending], first: Envelope) -> None:
        key = mail_key(tenant_id, new_queue_id(), first.arrived_at)
        pieces: list[bytes] = []
        places: list[int] = []
        position = 0
        for pending in pack:
            places.append(position + len(pending.head))
            position += len(pending.head) + len(pending.content)
            pieces += (pending.head, pending.content)
        try:
            await self._blobs.put(key, pieces)
        except BaseException as error:
            for pending in pack:
                if not pending.written.done():
                    pending.written.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for pending, place in zip(pack, places, strict=True):
            if not pending.written.done():
                pending.written.set_result((key, place))
