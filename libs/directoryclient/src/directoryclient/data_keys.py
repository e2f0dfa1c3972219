"""The keys that tenants' bodies are encrypted with, as one process asks for them (docs/adr/0018). Satisfies blobstore.Keys.

They are in memory only. A change of the tenant drops them at once; what nothing was heard about is asked for again after
a minute. While the directory does not answer, what it said last holds for ten minutes; while no change would be heard
nothing is remembered, and without an answer nobody knows: KeysUnavailable.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from blobstore import (
    BlobShredded,
    BlobStore,
    DataKey,
    KeysUnavailable,
    KeyUnknown,
    SealedBlobStore,
    TenantGone,
)
from eventbus import EventBus, subjects
from google.protobuf.message import DecodeError
from mailwire.directory.v1 import directory_pb2
from mailwire.directory.v1 import keys_pb2 as wire
from mailwire.directory.v1.keys_pb2_grpc import DirectoryDataKeyServiceStub

ANSWER_SECONDS = 4.0
FRESH_SECONDS = 60.0
HOLDS_SECONDS = 600.0
# After no answer nobody waits for the next for so long.
SILENT_SECONDS = 5.0
HURRY_SECONDS = 0.5
MOST_KEPT = 20_000
CURRENT = 0
# Tenant and number of the key; CURRENT: the one that encrypts.
Wanted = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Answer:
    """`key` is None where there is none; then `gone` says whether there was one."""

    key: DataKey | None
    gone: bool
    asked_at: float


async def sealed(blobs: BlobStore, channel: grpc.aio.Channel, bus: EventBus) -> SealedBlobStore:
    """A bucket with the keys that this process asks the directory for."""
    keys = TenantKeys(channel, hears_changes=lambda: bus.connected, connections=lambda: bus.connections)
    await bus.listen(subjects.DIRECTORY_CHANGED, keys.changed)
    return SealedBlobStore(blobs, keys)


async def when_keys_change(bus: EventBus, forget: Callable[[], None]) -> None:
    """Have plaintext in memory forgotten when a tenant's keys may be others, or gone."""

    def changed(_subject: str, payload: bytes) -> None:
        if whose_keys(payload) is not None:
            forget()

    await bus.listen(subjects.DIRECTORY_CHANGED, changed)


def whose_keys(payload: bytes) -> str | None:
    """The tenant that may have other keys after a change ("": any of them); None where it is about something else."""
    try:
        change = directory_pb2.DirectoryChanged.FromString(payload)
    except DecodeError:
        return ""
    return None if change.account_id or change.addresses or change.domains else change.tenant_id


class TenantKeys:
    """DirectoryDataKeyService, with a short memory. `connections` counts up where changes may have been missed."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        connections: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectoryDataKeyServiceStub(channel)
        self._hears_changes = hears_changes
        self._clock = clock
        self._connections = connections
        self._connected = connections()
        self._kept: dict[Wanted, _Answer] = {}
        self._asking: dict[Wanted, asyncio.Task[_Answer]] = {}
        self._silent_until = float("-inf")

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed; a tenant that nothing else is named with may have other keys."""
        tenant_id = whose_keys(payload)
        if tenant_id is not None:
            self._forget(tenant_id)

    def _forget(self, tenant_id: str = "") -> None:
        for kept in (self._kept, self._asking):
            # Who waits for an answer that is under way gets it; nobody else does.
            for wanted in [each for each in kept if not tenant_id or each[0] == tenant_id]:
                del kept[wanted]

    async def current(self, tenant_id: str) -> DataKey | None:
        """The key that encrypts now; None: this tenant's bodies are not encrypted. Raises KeysUnavailable, TenantGone."""
        answer = await self._answer((tenant_id, CURRENT))
        if answer.gone:
            raise TenantGone("there is no such tenant")
        return answer.key

    async def of(self, tenant_id: str, version: int) -> DataKey:
        """The key of what is stored. Raises BlobShredded where it was deleted, or its tenant was, KeysUnavailable."""
        answer = await self._answer((tenant_id, version))
        if answer.key is None:
            raise BlobShredded("the key that it was encrypted with was deleted")
        return answer.key

    async def _answer(self, wanted: Wanted) -> _Answer:
        if not self._hears_changes() or self._connected != self._connections():
            self._connected = self._connections()
            self._forget()
        now = self._clock()
        kept = self._kept.get(wanted)
        if kept is not None and now < kept.asked_at + FRESH_SECONDS:
            return kept
        holds = kept is not None and now < kept.asked_at + HOLDS_SECONDS
        if kept is not None and holds and now < self._silent_until:
            return kept
        asking = self._asking.get(wanted)
        if asking is None:
            asking = self._asking[wanted] = asyncio.create_task(self._ask(wanted))
            asking.add_done_callback(lambda done: self._asked(wanted, done))
        try:
            # Who has an answer that still holds waits for a better one for a moment only.
            async with asyncio.timeout(HURRY_SECONDS if holds else None):
                return await asyncio.shield(asking)
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            if kept is not None and holds and kept is self._kept.get(wanted):
                self._silent_until = self._clock() + SILENT_SECONDS
                return kept
            if isinstance(error, TimeoutError):
                # A change came meanwhile: what held does so no more.
                raise KeysUnavailable("the directory does not say which key to use") from error
            raise KeysUnavailable(
                f"the directory does not say which key to use: {error.code().name}"
            ) from error

    def _asked(self, wanted: Wanted, asked: "asyncio.Task[_Answer]") -> None:
        if self._asking.get(wanted) is not asked:
            # A change came while it was under way: not kept.
            if not asked.cancelled():
                asked.exception()
            return
        del self._asking[wanted]
        if asked.cancelled() or asked.exception() is not None or not self._hears_changes():
            return
        answer = asked.result()
        self._kept.pop(wanted, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[wanted] = answer
        if answer.key is not None:
            self._kept.setdefault((wanted[0], answer.key.version), answer)

    async def _ask(self, wanted: Wanted) -> _Answer:
        tenant_id, version = wanted
        asked_at = self._clock()
        try:
            answer = await self._stub.GetDataKey(
                wire.GetDataKeyRequest(tenant_id=tenant_id, version=version),
                timeout=ANSWER_SECONDS,
                # A directory that restarts is away for a second or two.
                wait_for_ready=True,
            )
        except grpc.aio.AioRpcError as error:
            # In a directory of before this question nobody can have chosen to encrypt.
            if error.code() is grpc.StatusCode.UNIMPLEMENTED and version == CURRENT:
                return _Answer(None, False, asked_at)
            raise
        if answer.state == wire.DATA_KEY_STATE_UNKNOWN:
            raise KeyUnknown(f"the directory knows no key {version} of this tenant: an older backup?")
        if answer.state == wire.DATA_KEY_STATE_HELD:
            return _Answer(DataKey(answer.version, answer.secret), False, asked_at)
        return _Answer(None, answer.state != wire.DATA_KEY_STATE_PLAIN, asked_at)
