"""DirectoryAdminService: create, read, update, delete. A change is told after its commit."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryAdminServiceServicer
from pgkit import is_within

from directory.adapters.accounts import Accounts, Aliases, Scram
from directory.adapters.addresses import Addresses
from directory.adapters.deleted import DeletedAccounts
from directory.adapters.tenants import Domains, Tenants
from directory.core import names, roles, scram
from directory.core.passwords import Hasher
from directory.core.scram import SALT_OCTETS, ScramKeys
from directory.edge.answers import order
from directory.edge.finding import account_of
from directory.edge.hashing import ORDER_RANK, Hashing
from directory.edge.looking_alike import refuse_look_alike, refuse_look_alike_domain
from directory.edge.paging import page_size
from directory.edge.targets import targets_of
from directory.ports import (
    AccountRecord,
    AliasRecord,
    Change,
    DomainRecord,
    InUse,
    Missing,
    Suspending,
    TenantRecord,
)

Context = grpc.aio.ServicerContext[Any, Any]


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _tenant(record: TenantRecord) -> wire.Tenant:
    return wire.Tenant(
        tenant_id=record.tenant_id,
        name=record.name,
        display_name=record.display_name,
        suspended=record.suspended,
        created_at=_stamp(record.created_at),
    )


def _domain(record: DomainRecord) -> wire.Domain:
    return wire.Domain(
        tenant_id=record.tenant_id,
        tenant_name=record.tenant_name,
        name=record.name,
        suspended=record.suspended,
        created_at=_stamp(record.created_at),
    )


def account_message(record: AccountRecord) -> wire.Account:
    """As it is told."""
    return wire.Account(
        account_id=record.account_id,
        tenant_id=record.tenant_id,
        tenant_name=record.tenant_name,
        address=record.address,
        display_name=record.display_name,
        suspended=record.suspended,
        suspended_by_operator=record.suspended_by_operator,
        suspended_by_tenant=record.suspended_by_tenant,
        store=record.store,
        created_at=_stamp(record.created_at),
        shared=record.shared,
        roles=record.roles,
    )


def _alias(record: AliasRecord) -> wire.Alias:
    return wire.Alias(
        tenant_id=record.tenant_id,
        tenant_name=record.tenant_name,
        address=record.address,
        targets=record.targets,
        created_at=_stamp(record.created_at),
    )


def _suspending(request: wire.UpdateAccountRequest) -> Suspending:
    asked = request.suspended if request.HasField("suspended") else None
    by_tenant = request.suspended_by_tenant if request.HasField("suspended_by_tenant") else None
    if is_within():
        return Suspending(by_tenant=asked if by_tenant is None else by_tenant)
    return Suspending(asked, by_tenant)


def check_may_delete(record: AccountRecord, *, is_tenant: bool = False) -> None:
    """Its tenant may not where the operator holds it: it could be made anew, and nobody had lifted it. Raises InUse."""
    if record.suspended_by_operator and (is_tenant or is_within()):
        raise InUse("the operator has suspended the account; it cannot be deleted until that is lifted")


class Orders(DirectoryAdminServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(
        self,
        tenants: Tenants,
        domains: Domains,
        accounts: Accounts,
        aliases: Aliases,
        hasher: Hasher,
        hashing: Hashing,
        scram_iterations: int,
        tell: Callable[[Change], None],
        addresses: Addresses,
        deleted: DeletedAccounts,
        clock: Callable[[], datetime],
    ) -> None:
        self._addresses = addresses
        self._deleted = deleted
        self._clock = clock
        self._tenants = tenants
        self._domains = domains
        self._accounts = accounts
        self._aliases = aliases
        self._hasher = hasher
        self._hashing = hashing
        self._scram_iterations = scram_iterations
        self._tell = tell

    async def hashed(self, password: str, salt: bytes) -> tuple[str, ScramKeys | None]:
        """What is kept of a password. Raises NameInvalid."""
        # Before every login: the operator waits for it.
        password = names.password(password)
        verifier = await self._hashing.run(ORDER_RANK, self._hasher.hash, password)
        keys = await self._hashing.run(ORDER_RANK, scram.keys, password, salt, self._scram_iterations)
        return verifier, keys

    async def _tenant_id(self, tenant: str) -> str | None:
        return (await self._tenants.get(tenant)).tenant_id if tenant else None

    async def _account_of(self, address_or_id: str) -> AccountRecord:
        return await account_of(self._accounts, address_or_id)

    async def _tenant_of(self, address: str) -> str:
        domain = address.rpartition("@")[2]
        try:
            return (await self._domains.get(domain)).tenant_id
        except Missing as error:
            raise Missing(f"the domain {domain} is not here; create it first") from error

    # -- tenants

    @order
    async def CreateTenant(
        self, request: wire.CreateTenantRequest, context: Context
    ) -> wire.CreateTenantResponse:
        record = await self._tenants.create(
            names.tenant_name(request.name), names.display_name(request.display_name)
        )
        return wire.CreateTenantResponse(tenant=_tenant(record))

    @order
    async def GetTenant(self, request: wire.GetTenantRequest, context: Context) -> wire.GetTenantResponse:
        return wire.GetTenantResponse(tenant=_tenant(await self._tenants.get(request.tenant)))

    @order
    async def UpdateTenant(
        self, request: wire.UpdateTenantRequest, context: Context
    ) -> wire.UpdateTenantResponse:
        record = await self._tenants.get(request.tenant)
        record = await self._tenants.update(
            record.tenant_id,
            names.display_name(request.display_name) if request.HasField("display_name") else None,
            request.suspended if request.HasField("suspended") else None,
        )
        self._tell(Change(record.tenant_id))
        return wire.UpdateTenantResponse(tenant=_tenant(record))

    @order
    async def ListTenants(
        self, request: wire.ListTenantsRequest, context: Context
    ) -> wire.ListTenantsResponse:
        size = page_size(request.page_size)
        records = await self._tenants.listing(request.page_token, size)
        return wire.ListTenantsResponse(
            tenants=[_tenant(record) for record in records],
            next_page_token=records[-1].name if len(records) == size else "",
        )

    @order
    async def DeleteTenant(
        self, request: wire.DeleteTenantRequest, context: Context
    ) -> wire.DeleteTenantResponse:
        record = await self._tenants.get(request.tenant)
        await self._tenants.delete(record.tenant_id)
        self._tell(Change(record.tenant_id))
        return wire.DeleteTenantResponse()

    # -- domains

    @order
    async def CreateDomain(
        self, request: wire.CreateDomainRequest, context: Context
    ) -> wire.CreateDomainResponse:
        tenant = await self._tenants.get(request.tenant)
        name = names.own_domain(request.name)
        if not request.even_if_confusable:
            await refuse_look_alike_domain(self._domains, name)
        record = await self._domains.create(name, tenant.tenant_id)
        self._tell(Change(record.tenant_id, domains=(record.name,)))
        return wire.CreateDomainResponse(domain=_domain(record))

    @order
    async def GetDomain(self, request: wire.GetDomainRequest, context: Context) -> wire.GetDomainResponse:
        return wire.GetDomainResponse(
            domain=_domain(await self._domains.get(names.domain_name(request.name)))
        )

    @order
    async def UpdateDomain(
        self, request: wire.UpdateDomainRequest, context: Context
    ) -> wire.UpdateDomainResponse:
        record = await self._domains.update(
            names.domain_name(request.name), request.suspended if request.HasField("suspended") else None
        )
        self._tell(Change(record.tenant_id, domains=(record.name,)))
        return wire.UpdateDomainResponse(domain=_domain(record))

    @order
    async def ListDomains(
        self, request: wire.ListDomainsRequest, context: Context
    ) -> wire.ListDomainsResponse:
        size = page_size(request.page_size)
        records = await self._domains.listing(await self._tenant_id(request.tenant), request.page_token, size)
        return wire.ListDomainsResponse(
            domains=[_domain(record) for record in records],
            next_page_token=records[-1].name if len(records) == size else "",
        )

    @order
    async def DeleteDomain(
        self, request: wire.DeleteDomainRequest, context: Context
    ) -> wire.DeleteDomainResponse:
        record = await self._domains.delete(names.domain_name(request.name))
        self._tell(Change(record.tenant_id, domains=(record.name,)))
        return wire.DeleteDomainResponse()

    # -- accounts

    @order
    async def CreateAccount(
        self, request: wire.CreateAccountRequest, context: Context
    ) -> wire.CreateAccountResponse:
        address = names.address(request.address)
        tenant_id = await self._tenant_of(address)
        if not request.even_if_confusable:
            await refuse_look_alike(self._addresses, tenant_id, address)
        wanted, salt = roles.checked(request.roles), os.urandom(SALT_OCTETS)
        verifier, keys = await self.hashed(request.password, salt)
        record = await self._accounts.create(
            tenant_id,
            address,
            verifier,
            Scram(salt, keys),
            names.display_name(request.display_name),
            wanted,
        )
        self._tell(Change(tenant_id, record.account_id, (address,)))
        return wire.CreateAccountResponse(account=account_message(record))

    @order
    async def GetAccount(self, request: wire.GetAccountRequest, context: Context) -> wire.GetAccountResponse:
        return wire.GetAccountResponse(account=account_message(await self._account_of(request.account)))

    @order
    async def UpdateAccount(
        self, request: wire.UpdateAccountRequest, context: Context
    ) -> wire.UpdateAccountResponse:
        record = await self._account_of(request.account)
        verifier, keys = None, None
        if request.HasField("password"):
            if record.shared:
                raise names.NameInvalid(
                    "a shared account has no password; give people rights to its mailboxes"
                )
            verifier, keys = await self.hashed(request.password, record.scram_salt)
        wanted = roles.checked(request.roles.names) if request.HasField("roles") else None
        if wanted and record.shared:
            raise names.NameInvalid("nobody logs in to a shared account: it has no role")
        record = await self._accounts.update(
            record,
            names.display_name(request.display_name) if request.HasField("display_name") else None,
            _suspending(request),
            verifier,
            keys,
            wanted,
        )
        self._tell(Change(record.tenant_id, record.account_id, (record.address,)))
        return wire.UpdateAccountResponse(account=account_message(record))

    @order
    async def ListAccounts(
        self, request: wire.ListAccountsRequest, context: Context
    ) -> wire.ListAccountsResponse:
        size = page_size(request.page_size)
        records = await self._accounts.listing(
            await self._tenant_id(request.tenant),
            names.domain_name(request.domain) if request.domain else None,
            request.page_token,
            size,
        )
        return wire.ListAccountsResponse(
            accounts=[account_message(record) for record in records],
            next_page_token=records[-1].address if len(records) == size else "",
        )

    @order
    async def DeleteAccount(
        self, request: wire.DeleteAccountRequest, context: Context
    ) -> wire.DeleteAccountResponse:
        record = await self._account_of(request.account)
        check_may_delete(record)
        addresses = await self._deleted.delete(record, self._clock())
        self._tell(Change(record.tenant_id, record.account_id, addresses or (record.address,)))
        return wire.DeleteAccountResponse()

    # -- aliases

    async def _targets(self, targets: Sequence[str]) -> list[str]:
        return await targets_of(self._domains, targets)

    @order
    async def CreateAlias(
        self, request: wire.CreateAliasRequest, context: Context
    ) -> wire.CreateAliasResponse:
        address = names.address(request.address)
        targets = await self._targets(request.targets)
        tenant_id = await self._tenant_of(address)
        if not request.even_if_confusable:
            await refuse_look_alike(self._addresses, tenant_id, address)
        record = await self._aliases.create(tenant_id, address, targets)
        self._tell(Change(record.tenant_id, addresses=(address,)))
        return wire.CreateAliasResponse(alias=_alias(record))

    @order
    async def GetAlias(self, request: wire.GetAliasRequest, context: Context) -> wire.GetAliasResponse:
        return wire.GetAliasResponse(alias=_alias(await self._aliases.get(names.address(request.address))))

    @order
    async def UpdateAlias(
        self, request: wire.UpdateAliasRequest, context: Context
    ) -> wire.UpdateAliasResponse:
        record = await self._aliases.get(names.address(request.address))
        record = await self._aliases.update(record, await self._targets(request.targets))
        self._tell(Change(record.tenant_id, addresses=(record.address,)))
        return wire.UpdateAliasResponse(alias=_alias(record))

    @order
    async def ListAliases(
        self, request: wire.ListAliasesRequest, context: Context
    ) -> wire.ListAliasesResponse:
        size = page_size(request.page_size)
        records = await self._aliases.listing(
            await self._tenant_id(request.tenant),
            names.domain_name(request.domain) if request.domain else None,
            request.page_token,
            size,
        )
        return wire.ListAliasesResponse(
            aliases=[_alias(record) for record in records],
            next_page_token=records[-1].address if len(records) == size else "",
        )

    @order
    async def DeleteAlias(
        self, request: wire.DeleteAliasRequest, context: Context
    ) -> wire.DeleteAliasResponse:
        record = await self._aliases.get(names.address(request.address))
        await self._aliases.delete(record)
        self._tell(Change(record.tenant_id, addresses=(record.address,)))
        return wire.DeleteAliasResponse()
