"""DirectoryDataKeyService: data keys, for those who put or read bodies. DirectoryKeyService: the operator's orders about them."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import keys_pb2 as wire
from mailwire.directory.v1.keys_pb2_grpc import DirectoryDataKeyServiceServicer, DirectoryKeyServiceServicer
from servicekit import logs

from directory import metrics
from directory.adapters.data_keys import DataKeyRecord, DataKeys
from directory.adapters.tenants import Tenants
from directory.core import names
from directory.core.data_keys import KeyProvider, Unwrappable, new_secret, place_of
from directory.core.seldom import Seldom
from directory.edge.answers import mapped, order
from directory.ports import Change, InUse, Missing

Context = grpc.aio.ServicerContext[Any, Any]
LOG = logs.logger("directory.data_keys")
AT_ONCE = 200
# Whoever may rotate cannot fill the table.
MOST_OF_A_TENANT = 10_000
NIL = "00000000-0000-0000-0000-000000000000"


class Maker:
    """Makes the next data key of a tenant."""

    def __init__(self, keys: DataKeys, provider: KeyProvider) -> None:
        self._keys = keys
        self._provider = provider

    async def after(self, tenant_id: str, newest: DataKeyRecord | None) -> int:
        """Its number; two that saw the same newest one make one key. Raises Missing, ProviderUnavailable."""
        version = 1 if newest is None else newest.version + 1
        wrapped = await self._provider.wrap(new_secret(), place_of(tenant_id, version))
        if await self._keys.add(tenant_id, version, wrapped):
            LOG.info("data_key_made", tenant_id=tenant_id, version=version, wrapped_with=wrapped.with_)
        return version


class DataKeyQuestions(DirectoryDataKeyServiceServicer):
    """Answers those who put or read bodies."""

    def __init__(
        self,
        keys: DataKeys,
        provider: KeyProvider,
        maker: Maker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._provider = provider
        self._maker = maker
        self._clock = clock
        self._unknown = Seldom()
        self._unopened = Seldom()

    @mapped
    async def GetDataKey(self, request: wire.GetDataKeyRequest, context: Context) -> wire.GetDataKeyResponse:
        """The first question of a tenant that wants to encrypt makes its first key."""
        if not names.is_id(request.tenant_id):
            raise names.NameInvalid("that is no tenant's id")
        record: DataKeyRecord | None
        if request.version:
            record = await self._keys.get(request.tenant_id, request.version)
            if record is None and await self._is_there(request.tenant_id):
                metrics.DATA_KEYS_UNKNOWN.inc()
                # Each read of what was encrypted with it asks again.
                if times := self._unknown.times((request.tenant_id, request.version), self._clock()):
                    LOG.error(
                        "data_key_unknown", tenant_id=request.tenant_id, version=request.version, times=times
                    )
                return wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_UNKNOWN)
        else:
            try:
                encrypts, record = await self._keys.current(request.tenant_id)
            except Missing:
                return wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_GONE)
            if not encrypts:
                return wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_PLAIN)
            if record is None or record.wrapped is None:
                made = await self._maker.after(request.tenant_id, record)
                record = await self._keys.get(request.tenant_id, made)
        if record is None or record.wrapped is None:
            return wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_GONE)
        place = place_of(record.tenant_id, record.version)
        try:
            secret = await self._provider.unwrap(record.wrapped, place)
        except Unwrappable as error:
            # The wrong keyring, perhaps: it may come back, so nobody is told that it is gone.
            metrics.DATA_KEYS_UNOPENED.inc()
            if times := self._unopened.times((record.tenant_id, record.version), self._clock()):
                LOG.error(
                    "data_key_unopened",
                    tenant_id=record.tenant_id,
                    version=record.version,
                    error=str(error),
                    times=times,
                )
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the key cannot be unwrapped")
            raise
        return wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_HELD, version=record.version, secret=secret)

    async def _is_there(self, tenant_id: str) -> bool:
        try:
            await self._keys.current(tenant_id)
        except Missing:
            return False
        return True


class KeyOrders(DirectoryKeyServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(
        self,
        tenants: Tenants,
        keys: DataKeys,
        provider: KeyProvider,
        maker: Maker,
        tell: Callable[[Change], None],
    ) -> None:
        self._tenants = tenants
        self._keys = keys
        self._provider = provider
        self._maker = maker
        self._tell = tell

    @order
    async def ListTenantKeys(
        self, request: wire.ListTenantKeysRequest, context: Context
    ) -> wire.ListTenantKeysResponse:
        tenant = await self._tenants.get(request.tenant)
        encrypts, _ = await self._keys.current(tenant.tenant_id)
        found = await self._keys.listing(tenant.tenant_id)
        return wire.ListTenantKeysResponse(
            keys=[
                _key(each, is_current=encrypts and each.wrapped is not None and each is found[0])
                for each in found
            ]
        )

    @order
    async def RotateTenantKey(
        self, request: wire.RotateTenantKeyRequest, context: Context
    ) -> wire.RotateTenantKeyResponse:
        tenant = await self._tenants.get(request.tenant)
        encrypts, newest = await self._keys.current(tenant.tenant_id)
        if not encrypts:
            raise InUse(
                f"{tenant.name} does not encrypt its bodies: choose encrypt_bodies in its policy first"
            )
        if newest is not None and newest.version >= MOST_OF_A_TENANT:
            raise InUse(f"{tenant.name} has had {newest.version} keys; no more are made by hand")
        version = await self._maker.after(tenant.tenant_id, newest)
        self._tell(Change(tenant.tenant_id))
        record = await self._keys.get(tenant.tenant_id, version)
        if record is None:
            raise Missing(f"there is no tenant {tenant.name} any more")
        return wire.RotateTenantKeyResponse(key=_key(record, is_current=True))

    @order
    async def DeleteTenantKeys(
        self, request: wire.DeleteTenantKeysRequest, context: Context
    ) -> wire.DeleteTenantKeysResponse:
        tenant = await self._tenants.get(request.tenant)
        if request.confirm_name != tenant.name:
            raise names.NameInvalid(
                "to delete its keys say the tenant's name once more: nothing brings them back"
            )
        deleted = await self._keys.delete_all(tenant.tenant_id)
        self._tell(Change(tenant.tenant_id))
        LOG.warning("data_keys_deleted", tenant_id=tenant.tenant_id, keys=deleted)
        return wire.DeleteTenantKeysResponse(deleted=deleted)

    @order
    async def GetWrapping(
        self, request: wire.GetWrappingRequest, context: Context
    ) -> wire.GetWrappingResponse:
        return wire.GetWrappingResponse(
            current=await self._provider.current(),
            uses=[
                wire.GetWrappingResponse.Use(wrapped_with=name, keys=keys)
                for name, keys in await self._keys.uses()
            ],
        )

    @order
    async def RewrapKeys(self, request: wire.RewrapKeysRequest, context: Context) -> wire.RewrapKeysResponse:
        """Can be broken off and asked for again."""
        current = await self._provider.current()
        rewrapped = unopened = 0
        after = (NIL, 0)
        while found := await self._keys.wrapped_otherwise(current, after, AT_ONCE):
            for record in found:
                assert record.wrapped is not None
                place = place_of(record.tenant_id, record.version)
                try:
                    secret = await self._provider.unwrap(record.wrapped, place)
                except Unwrappable:
                    unopened += 1
                    continue
                rewrapped += await self._keys.rewrap(record, await self._provider.wrap(secret, place))
            after = (found[-1].tenant_id, found[-1].version)
        LOG.info("data_keys_rewrapped", keys=rewrapped, unopened=unopened, wrapped_with=current)
        return wire.RewrapKeysResponse(rewrapped=rewrapped, unopened=unopened)


def _key(record: DataKeyRecord, *, is_current: bool) -> wire.TenantKey:
    return wire.TenantKey(
        version=record.version,
        wrapped_with="" if record.wrapped is None else record.wrapped.with_,
        created_at=_stamp(record.created_at),
        deleted_at=None if record.deleted_at is None else _stamp(record.deleted_at),
        encrypts=is_current,
    )


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
