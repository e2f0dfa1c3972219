"""DirectoryOpenidService: whose tokens let people in."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import openid_pb2 as wire
from mailwire.directory.v1.openid_pb2_grpc import DirectoryOpenidServiceServicer

from directory.adapters.openid_providers import OpenidProviders, ProviderRecord
from directory.adapters.tenants import Tenants
from directory.core import names, openid
from directory.core.openid import Provider
from directory.edge.answers import order
from directory.ports import Change

Context = grpc.aio.ServicerContext[Any, Any]
SECRET_OCTETS = 1000


def _message(record: ProviderRecord) -> wire.OpenidProvider:
    created_at = Timestamp()
    created_at.FromDatetime(record.created_at)
    provider = record.provider
    return wire.OpenidProvider(
        issuer=provider.issuer,
        audiences=provider.audiences,
        address_claim=provider.address_claim,
        required_scopes=provider.required_scopes,
        client_id=provider.client_id,
        has_client_secret=record.has_secret,
        created_at=created_at,
    )


class OpenidOrders(DirectoryOpenidServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(self, tenants: Tenants, providers: OpenidProviders, tell: Callable[[Change], None]) -> None:
        self._tenants = tenants
        self._providers = providers
        self._tell = tell

    @order
    async def SetOpenidProvider(
        self, request: wire.SetOpenidProviderRequest, context: Context
    ) -> wire.SetOpenidProviderResponse:
        tenant = await self._tenants.get(request.tenant)
        given = request.provider
        if len(request.client_secret) > SECRET_OCTETS or len(given.client_id) > SECRET_OCTETS:
            raise names.NameInvalid(f"a client's name and secret have at most {SECRET_OCTETS} characters")
        claim = given.address_claim or openid.DEFAULT_CLAIM
        provider = Provider(
            tenant.tenant_id,
            openid.issuer_url(given.issuer),
            # Without one, a token that the provider made for any other service would open mailboxes.
            tuple(openid.words(given.audiences, "audiences", least=1)),
            openid.words([claim], "claims")[0],
            tuple(openid.words(given.required_scopes, "scopes")),
            given.client_id,
            request.client_secret if request.HasField("client_secret") else None,
        )
        await self._providers.put(provider)
        # Doors remember a yes for a while.
        self._tell(Change(tenant.tenant_id))
        records = await self._providers.listing(tenant.tenant_id)
        [record] = [each for each in records if each.provider.issuer == provider.issuer]
        return wire.SetOpenidProviderResponse(provider=_message(record))

    @order
    async def ListOpenidProviders(
        self, request: wire.ListOpenidProvidersRequest, context: Context
    ) -> wire.ListOpenidProvidersResponse:
        tenant = await self._tenants.get(request.tenant)
        records = await self._providers.listing(tenant.tenant_id)
        return wire.ListOpenidProvidersResponse(providers=[_message(each) for each in records])

    @order
    async def DeleteOpenidProvider(
        self, request: wire.DeleteOpenidProviderRequest, context: Context
    ) -> wire.DeleteOpenidProviderResponse:
        tenant = await self._tenants.get(request.tenant)
        await self._providers.delete(tenant.tenant_id, request.issuer)
        self._tell(Change(tenant.tenant_id))
        return wire.DeleteOpenidProviderResponse()
