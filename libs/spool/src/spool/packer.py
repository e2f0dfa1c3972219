"""Packing: messages of one tenant that arrive together share one object.

While a write is under way and told, what arrives meanwhile waits and becomes the next
object. There is no timer: an idle gate writes a message at once, a busy one
packs by itself. Whose messages were just accepted together mostly have the next ones
ready: after such a pack the loop first goes round, as long as that brings some of them.
A large message has an object of its own and waits for nobody.

What lies in one object and is told to the mda alone, or to the mta-queue alone, is told together, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from blobstore import BlobStore

from spool import record
from spool.codec import encode_envelope
from spool.envelope import Envelope
from spool.pack import split
from spool.queue_id import new_queue_id

LARGE_OCTETS = 256 * 1024
PACK_OCTETS = 4 * 1024 * 1024
PACK_RECORDS = 256
# Writes of one tenant under way at once. A write costs the storage nearly the same whatever it holds, so what would
# begin a second one is better off in the next.
WRITES_AT_ONCE = 1
# Rounds of the loop without another message, after which nobody is waited for. Where nothing else is to be done, they
# take a twentieth of a millisecond; a client on the other side of a network is not back by then.
QUIET_ROUNDS = 6


class Road(Enum):
    """Who is told."""

    LOCAL = "local"
    RELAY = "relay"


# (queue id, payload) of letters that were stored together, to be told together.
Tell = Callable[[Road, Sequence[tuple[str, bytes]]], Awaitable[None]]
# Where a message lies (object key, offset) and its envelope's octets → what is told of it.
PayloadOf = Callable[[str, int, bytes], bytes]


@dataclass(slots=True)
class _Pending:
    queue_id: str
    arrived_at: datetime
    encoded: bytes
    head: bytes
    content: bytes
    payload_of: PayloadOf | None
    road: Road
    done: "asyncio.Future[tuple[str, int]]"


class Packer:
    """The open pack of each tenant."""

    def __init__(self, blobs: BlobStore, tell: Tell) -> None:
        self._blobs = blobs
        self._tell = tell
        self._waiting: dict[str, list[_Pending]] = {}
        self._writing: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(
        self,
        envelope: Envelope,
        content: bytes,
        payload_of: PayloadOf | None = None,
        road: Road = Road.LOCAL,
    ) -> tuple[str, int]:
        """Store one record; returns (object key, offset of the message).

        With `payload_of` whoever is down that road is told then, before this returns. Raises BlobUnavailable, and what telling raises.
        """
        encoded = encode_envelope(envelope)
        head = record.head(encoded, envelope.size_octets)
        if len(content) >= LARGE_OCTETS:
            # Never by its queue id: what we make ourselves is made again under the one it had, with other times in it,
            # and what was told of the first object must still find its octets there.
            key = await self._blobs.put_mail(
                envelope.tenant_id, new_queue_id(), envelope.arrived_at, (head, content)
            )
            if payload_of is not None:
                await self._tell(road, [(envelope.queue_id, payload_of(key, len(head), encoded))])
            return key, len(head)
        done: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        pending = _Pending(
            envelope.queue_id, envelope.arrived_at, encoded, head, content, payload_of, road, done
        )
        tenant_id = envelope.tenant_id
        self._waiting.setdefault(tenant_id, []).append(pending)
        if self._writing.get(tenant_id, 0) < WRITES_AT_ONCE:
            self._writing[tenant_id] = self._writing.get(tenant_id, 0) + 1
            self._spawn(self._write_packs(tenant_id))
        return await done

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write_packs(self, tenant_id: str) -> None:
        try:
            while pack := self._take(tenant_id):
                await self._write_pack(tenant_id, pack)
                if len(pack) > 1:
                    await self._let_come(tenant_id, len(pack))
        finally:
            self._writing[tenant_id] -= 1
            if not self._writing[tenant_id]:
                del self._writing[tenant_id]

    async def _let_come(self, tenant_id: str, told: int) -> None:
        """Those that were told may be back at once, and nobody else is waited for."""
        count = len(self._waiting.get(tenant_id, ()))
        most, quiet = min(count + told, PACK_RECORDS), 0
        while count < most and quiet < QUIET_ROUNDS:
            await asyncio.sleep(0)
            before, count = count, len(self._waiting.get(tenant_id, ()))
            quiet = quiet + 1 if count == before else 0

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

    async def _write_pack(self, tenant_id: str, pack: Sequence[_Pending]) -> None:
        pieces: list[bytes] = []
        places: list[int] = []
        position = 0
        for pending in pack:
            places.append(position + len(pending.head))
            position += len(pending.head) + len(pending.content)
            pieces += (pending.head, pending.content)
        try:
            key = await self._blobs.put_mail(tenant_id, new_queue_id(), pack[0].arrived_at, pieces)
        except BaseException as error:
            _fail(pack, error)
            return
        told: list[tuple[_Pending, int]] = []
        for pending, place in zip(pack, places, strict=True):
            if pending.payload_of is not None:
                told.append((pending, place))
            elif not pending.done.done():
                pending.done.set_result((key, place))
        # The next write could begin before these are told; it waits, and is so much larger.
        for road in Road:
            if some := [each for each in told if each[0].road is road]:
                await self._tell_of(key, road, some)

    async def _tell_of(self, key: str, road: Road, told: Sequence[tuple[_Pending, int]]) -> None:
        payloads = [pending.payload_of(key, place, pending.encoded) for pending, place in told]  # type: ignore[misc]
        for positions in split(payloads):
            some = [told[position] for position in positions]
            try:
                await self._tell(road, [(told[at][0].queue_id, payloads[at]) for at in positions])
            except BaseException as error:
                _fail([pending for pending, _ in some], error)
                continue
            for pending, place in some:
                if not pending.done.done():
                    pending.done.set_result((key, place))


def _fail(pack: Sequence[_Pending], error: BaseException) -> None:
    for pending in pack:
        if not pending.done.done():
            pending.done.set_exception(error)
    if not isinstance(error, Exception):
        raise error
