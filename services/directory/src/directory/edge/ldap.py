"""DirectoryLdapService, and passwords that somebody else keeps."""

import time
from collections.abc import Callable
from typing import Any

import grpc
from mailwire.directory.v1 import ldap_pb2 as wire
from mailwire.directory.v1.ldap_pb2_grpc import DirectoryLdapServiceServicer

from directory.adapters.issuers import IssuerUnavailable
from directory.adapters.ldap_binding import LdapServers
from directory.adapters.ldap_sources import LdapSources
from directory.adapters.tenants import Tenants
from directory.core import ldap
from directory.core.ldap import LdapSource
from directory.core.passwords import Verdicts
from directory.core.sealing import Unopened
from directory.edge.answers import order
from directory.ports import Change

Context = grpc.aio.ServicerContext[Any, Any]


class ElsewherePasswords:
    """Asks who keeps them, and remembers right ones as briefly as ours."""

    def __init__(self, sources: LdapSources, servers: LdapServers, remembered_seconds: float) -> None:
        self._sources = sources
        self._servers = servers
        self._verdicts = Verdicts(remembered_seconds)

    async def source_of(self, domain: str) -> LdapSource | None:
        """Who keeps a domain's passwords; None: we. Raises IssuerUnavailable, DatabaseUnavailable."""
        try:
            return await self._sources.of_domain(domain)
        except Unopened as error:
            # Not ours to look at instead: it fails closed.
            raise IssuerUnavailable("the password that looks people up cannot be opened") from error

    async def is_right(self, source: LdapSource, address: str, password: str) -> bool:
        """Raises IssuerUnavailable."""
        key = f"{source.tenant_id} {source.url} {source.base_dn} {source.filter} {address}"
        if self._verdicts.knows(key, password, time.monotonic()):
            return True
        right = await self._servers.is_right(source, address, password)
        if right:
            self._verdicts.remember(key, password, time.monotonic())
        return right


def _message(source: LdapSource) -> wire.LdapSource:
    return wire.LdapSource(
        url=source.url,
        bind_dn=source.bind_dn,
        has_bind_password=source.bind_password is not None,
        base_dn=source.base_dn,
        filter=source.filter,
        ca_certificates=source.ca_certificates,
    )


class LdapOrders(DirectoryLdapServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(self, tenants: Tenants, sources: LdapSources, tell: Callable[[Change], None]) -> None:
        self._tenants = tenants
        self._sources = sources
        self._tell = tell

    @order
    async def GetLdapSource(
        self, request: wire.GetLdapSourceRequest, context: Context
    ) -> wire.GetLdapSourceResponse:
        tenant = await self._tenants.get(request.tenant)
        return wire.GetLdapSourceResponse(source=_message(await self._sources.get(tenant.tenant_id)))

    @order
    async def SetLdapSource(
        self, request: wire.SetLdapSourceRequest, context: Context
    ) -> wire.SetLdapSourceResponse:
        tenant, given = await self._tenants.get(request.tenant), request.source
        source = LdapSource(
            tenant.tenant_id,
            given.url,
            given.base_dn,
            given.filter or ldap.DEFAULT_FILTER,
            given.bind_dn,
            request.bind_password if request.HasField("bind_password") else None,
            given.ca_certificates,
        )
        await self._sources.put(ldap.check(source))
        # Doors remember a yes for a while.
        self._tell(Change(tenant.tenant_id))
        return wire.SetLdapSourceResponse(source=_message(await self._sources.get(tenant.tenant_id)))

    @order
    async def DeleteLdapSource(
        self, request: wire.DeleteLdapSourceRequest, context: Context
    ) -> wire.DeleteLdapSourceResponse:
        tenant = await self._tenants.get(request.tenant)
        await self._sources.delete(tenant.tenant_id)
        self._tell(Change(tenant.tenant_id))
        return wire.DeleteLdapSourceResponse()
