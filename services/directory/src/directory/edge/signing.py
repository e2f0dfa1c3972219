"""DirectoryDkimService: the operator's orders about keys that sign. DirectorySigningService: the keys, for those who sign."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import dkim_pb2 as wire
from mailwire.directory.v1.dkim_pb2_grpc import DirectoryDkimServiceServicer, DirectorySigningServiceServicer
from senderauth.dkim import Algorithm
from servicekit import logs

from directory import metrics
from directory.adapters.dkim_keys import DkimKeyRecord, DkimKeys
from directory.adapters.tenants import Domains
from directory.core import dkim_keys, names
from directory.core.sealing import Sealer, Unopened
from directory.edge.answers import mapped, order
from directory.edge.signing_in import utc_now
from directory.ports import Change, InUse

Context = grpc.aio.ServicerContext[Any, Any]
LOG = logs.logger("directory.signing")
ALGORITHMS = {
    wire.DKIM_ALGORITHM_RSA_SHA256: Algorithm.RSA_SHA256,
    wire.DKIM_ALGORITHM_ED25519_SHA256: Algorithm.ED25519_SHA256,
}
ALGORITHMS_BACK = {value: key for key, value in ALGORITHMS.items()}


def _place(domain: str, selector: str, algorithm: Algorithm) -> tuple[str, str, str]:
    """What a sealed key is bound to."""
    return (domain, selector, algorithm.value)


def _key(record: DkimKeyRecord) -> wire.DkimKey:
    stamp = Timestamp()
    stamp.FromDatetime(record.created_at)
    return wire.DkimKey(
        domain=record.domain,
        selector=record.selector,
        algorithm=ALGORITHMS_BACK[record.algorithm],
        record_name=dkim_keys.record_name(record.domain, record.selector),
        record=record.record,
        created_at=stamp,
    )


class DkimOrders(DirectoryDkimServiceServicer):
    """Answers the operator, through admin-api. Without a sealer no key can be made."""

    def __init__(
        self,
        domains: Domains,
        keys: DkimKeys,
        sealer: Sealer | None,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._domains = domains
        self._keys = keys
        self._sealer = sealer
        self._tell = tell
        self._clock = clock

    @order
    async def CreateDkimKeys(
        self, request: wire.CreateDkimKeysRequest, context: Context
    ) -> wire.CreateDkimKeysResponse:
        """Keys sign from now on; the world can check that when the records are in DNS."""
        if self._sealer is None:
            raise InUse(
                "the directory has no secret to keep private keys with: set DIRECTORY_DKIM_SECRET_FILE"
            )
        algorithms = list(dict.fromkeys(map(_algorithm, request.algorithms))) or list(dkim_keys.BOTH)
        domain = await self._domains.get(names.domain_name(request.domain))
        taken = {record.selector for record in await self._keys.listing(domain.tenant_id, domain.name)}
        selectors = dkim_keys.selectors(domain.name, request.selector, algorithms, taken, self._clock())
        made = []
        for selector, algorithm in zip(selectors, algorithms, strict=True):
            key = await asyncio.to_thread(dkim_keys.make, domain.name, selector, algorithm)
            sealed = self._sealer.seal(key.private_key, _place(domain.name, selector, algorithm))
            made.append((selector, algorithm, sealed, key.record))
        records = await self._keys.create(domain, made)
        self._tell(Change(domain.tenant_id, domains=(domain.name,)))
        return wire.CreateDkimKeysResponse(keys=[_key(record) for record in records])

    @order
    async def ListDkimKeys(
        self, request: wire.ListDkimKeysRequest, context: Context
    ) -> wire.ListDkimKeysResponse:
        domain = await self._domains.get(names.domain_name(request.domain))
        records = await self._keys.listing(domain.tenant_id, domain.name)
        return wire.ListDkimKeysResponse(keys=[_key(record) for record in records])

    @order
    async def DeleteDkimKey(
        self, request: wire.DeleteDkimKeyRequest, context: Context
    ) -> wire.DeleteDkimKeyResponse:
        domain = await self._domains.get(names.domain_name(request.domain))
        await self._keys.delete(domain, request.selector.lower())
        self._tell(Change(domain.tenant_id, domains=(domain.name,)))
        return wire.DeleteDkimKeyResponse()


class DkimQuestions(DirectorySigningServiceServicer):
    """Answers those who sign."""

    def __init__(self, keys: DkimKeys, sealer: Sealer | None) -> None:
        self._keys = keys
        self._sealer = sealer

    @mapped
    async def GetSigningKeys(
        self, request: wire.GetSigningKeysRequest, context: Context
    ) -> wire.GetSigningKeysResponse:
        """None for a domain without keys, and for one that is not this tenant's."""
        if not names.is_id(request.tenant_id):
            raise names.NameInvalid("that is no tenant's id")
        if self._sealer is None:
            return wire.GetSigningKeysResponse()
        found = []
        for record in await self._keys.listing(request.tenant_id, request.domain):
            place = _place(record.domain, record.selector, record.algorithm)
            try:
                found.append((record.selector, self._sealer.open(record.sealed, place)))
            except Unopened as error:
                metrics.KEYS_UNOPENED.inc()
                LOG.error(
                    "dkim_key_unopened", domain=record.domain, selector=record.selector, error=str(error)
                )
        return wire.GetSigningKeysResponse(
            keys=[wire.SigningKey(selector=selector, private_key=pem) for selector, pem in found]
        )


def _algorithm(value: wire.DkimAlgorithm.ValueType) -> Algorithm:
    if value not in ALGORITHMS:
        raise names.NameInvalid("that is no algorithm to sign with")
    return ALGORITHMS[value]
