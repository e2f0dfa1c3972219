"""DirectoryIdentityService and DirectoryRemovalService: addresses, delegates, deleted accounts, routing of a domain."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import identity_pb2 as wire
from mailwire.directory.v1.identity_pb2_grpc import (
    DirectoryIdentityServiceServicer,
    DirectoryRemovalServiceServicer,
)
from pgkit import is_within

from directory.adapters.accounts import Accounts
from directory.adapters.addresses import Addresses, AddressRecord
from directory.adapters.delegations import DelegationRecord, Delegations
from directory.adapters.deleted import DeletedAccounts, DeletedRecord
from directory.adapters.tenants import Domains, Tenants
from directory.core import names
from directory.edge.answers import order
from directory.edge.finding import account_of
from directory.edge.looking_alike import refuse_look_alike
from directory.edge.orders import account_message
from directory.edge.paging import page_size
from directory.edge.targets import targets_of
from directory.ports import AccountRecord, Change, InUse, Missing

Context = grpc.aio.ServicerContext[Any, Any]
RIGHTS = {
    wire.DELEGATE_RIGHT_SEND_AS: "send_as",
    wire.DELEGATE_RIGHT_SEND_ON_BEHALF: "send_on_behalf",
}
RIGHTS_BACK = {name: value for value, name in RIGHTS.items()}


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _address(record: AddressRecord) -> wire.AccountAddress:
    return wire.AccountAddress(
        address=record.address, primary=record.primary, created_at=_stamp(record.created_at)
    )


def _delegation(record: DelegationRecord) -> wire.Delegation:
    return wire.Delegation(
        address=record.address,
        delegate=record.delegate,
        right=RIGHTS_BACK[record.right],
        created_at=_stamp(record.created_at),
    )


class Identities(DirectoryIdentityServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(
        self,
        tenants: Tenants,
        domains: Domains,
        accounts: Accounts,
        addresses: Addresses,
        delegations: Delegations,
        deleted: DeletedAccounts,
        kept: timedelta,
        tell: Callable[[Change], None],
    ) -> None:
        self._tenants = tenants
        self._domains = domains
        self._accounts = accounts
        self._addresses = addresses
        self._delegations = delegations
        self._deleted = deleted
        self._kept = kept
        self._tell = tell

    async def _account(self, address_or_id: str) -> AccountRecord:
        return await account_of(self._accounts, address_or_id)

    def _changed(self, account: AccountRecord, *addresses: str) -> None:
        self._tell(Change(account.tenant_id, account.account_id, (account.address, *addresses)))

    @order
    async def ListAddresses(
        self, request: wire.ListAddressesRequest, context: Context
    ) -> wire.ListAddressesResponse:
        records = await self._addresses.listing(await self._account(request.account))
        return wire.ListAddressesResponse(addresses=[_address(each) for each in records])

    @order
    async def AddAddress(self, request: wire.AddAddressRequest, context: Context) -> wire.AddAddressResponse:
        account = await self._account(request.account)
        address = names.address(request.address)
        domain = address.rpartition("@")[2]
        if (await self._domains.get(domain)).tenant_id != account.tenant_id:
            raise Missing(f"the domain {domain} is not one of the tenant's")
        if not request.even_if_confusable:
            await refuse_look_alike(self._addresses, account.tenant_id, address)
        record = await self._addresses.add(account, address)
        self._changed(account, address)
        return wire.AddAddressResponse(address=_address(record))

    @order
    async def MakeAddressPrimary(
        self, request: wire.MakeAddressPrimaryRequest, context: Context
    ) -> wire.MakeAddressPrimaryResponse:
        account = await self._account(request.account)
        await self._addresses.make_primary(account, names.address(request.address))
        changed = await self._accounts.get_by_id(account.account_id)
        self._changed(account, changed.address)
        return wire.MakeAddressPrimaryResponse(account=account_message(changed))

    @order
    async def RemoveAddress(
        self, request: wire.RemoveAddressRequest, context: Context
    ) -> wire.RemoveAddressResponse:
        account, address = await self._account(request.account), names.address(request.address)
        if account.suspended_by_operator and is_within():
            # Its tenant could give it to a new account, and nobody had lifted it (orders.check_may_delete).
            raise InUse("the operator has suspended the account; it keeps its addresses until that is lifted")
        await self._addresses.remove(account, address)
        self._changed(account, address)
        return wire.RemoveAddressResponse()

    @order
    async def AllowDelegate(
        self, request: wire.AllowDelegateRequest, context: Context
    ) -> wire.AllowDelegateResponse:
        if request.right not in RIGHTS:
            raise names.NameInvalid("say whether it may send as the address or on its behalf")
        delegate = await self._account(request.delegate)
        record = await self._delegations.allow(
            names.address(request.address), delegate, RIGHTS[request.right]
        )
        # Doors remember for a while who may send as whom.
        self._changed(delegate)
        return wire.AllowDelegateResponse(delegation=_delegation(record))

    @order
    async def RevokeDelegate(
        self, request: wire.RevokeDelegateRequest, context: Context
    ) -> wire.RevokeDelegateResponse:
        delegate = await self._account(request.delegate)
        await self._delegations.revoke(names.address(request.address), delegate)
        self._changed(delegate)
        return wire.RevokeDelegateResponse()

    @order
    async def ListDelegations(
        self, request: wire.ListDelegationsRequest, context: Context
    ) -> wire.ListDelegationsResponse:
        address = names.address(request.address) if request.address else ""
        if request.delegate:
            delegate = await self._account(request.delegate)
            records = await self._delegations.listing(delegate.tenant_id, address, delegate.account_id)
        elif address:
            tenant_id = (await self._domains.get(address.rpartition("@")[2])).tenant_id
            records = await self._delegations.listing(tenant_id, address, None)
        else:
            raise names.NameInvalid("name an address or a delegate")
        return wire.ListDelegationsResponse(delegations=[_delegation(each) for each in records])

    def _deleted_message(self, record: DeletedRecord) -> wire.DeletedAccount:
        return wire.DeletedAccount(
            account_id=record.account_id,
            tenant_id=record.tenant_id,
            tenant_name=record.tenant_name,
            display_name=record.display_name,
            addresses=record.addresses,
            deleted_at=_stamp(record.deleted_at),
            kept_until=_stamp(record.deleted_at + self._kept),
        )

    @order
    async def ListDeletedAccounts(
        self, request: wire.ListDeletedAccountsRequest, context: Context
    ) -> wire.ListDeletedAccountsResponse:
        tenant_id = (await self._tenants.get(request.tenant)).tenant_id if request.tenant else None
        if request.page_token and not names.is_id(request.page_token):
            raise names.NameInvalid("that is no page token")
        size = page_size(request.page_size)
        records = await self._deleted.listing(tenant_id, request.page_token, size)
        return wire.ListDeletedAccountsResponse(
            accounts=[self._deleted_message(each) for each in records],
            next_page_token=records[-1].account_id if len(records) == size else "",
        )

    @order
    async def RestoreAccount(
        self, request: wire.RestoreAccountRequest, context: Context
    ) -> wire.RestoreAccountResponse:
        record = await self._deleted.get(_id(request.account_id))
        await self._deleted.restore(record)
        account = await self._accounts.get_by_id(record.account_id)
        self._changed(account, *record.addresses)
        return wire.RestoreAccountResponse(account=account_message(account))

    @order
    async def RemoveDeletedAccount(
        self, request: wire.RemoveDeletedAccountRequest, context: Context
    ) -> wire.RemoveDeletedAccountResponse:
        await self._deleted.remove(_id(request.account_id))
        return wire.RemoveDeletedAccountResponse()

    @order
    async def GetDomainRouting(
        self, request: wire.GetDomainRoutingRequest, context: Context
    ) -> wire.GetDomainRoutingResponse:
        alias_of, catch_all = await self._domains.routing(names.domain_name(request.name))
        return wire.GetDomainRoutingResponse(
            routing=wire.DomainRouting(alias_of=alias_of, catch_all=catch_all)
        )

    @order
    async def SetDomainRouting(
        self, request: wire.SetDomainRoutingRequest, context: Context
    ) -> wire.SetDomainRoutingResponse:
        domain = await self._domains.get(names.domain_name(request.name))
        alias_of = names.domain_name(request.routing.alias_of) if request.routing.alias_of else ""
        catch_all = (
            await targets_of(self._domains, request.routing.catch_all) if request.routing.catch_all else []
        )
        await self._domains.route(domain, alias_of, catch_all)
        self._tell(Change(domain.tenant_id, domains=(domain.name,)))
        return wire.SetDomainRoutingResponse(
            routing=wire.DomainRouting(alias_of=alias_of, catch_all=catch_all)
        )


class Removals(DirectoryRemovalServiceServicer):
    """Answers those who keep mail."""

    def __init__(self, deleted: DeletedAccounts) -> None:
        self._deleted = deleted

    @order
    async def ListRemovedAccounts(
        self, request: wire.ListRemovedAccountsRequest, context: Context
    ) -> wire.ListRemovedAccountsResponse:
        records = await self._deleted.removed(page_size(request.page_size))
        return wire.ListRemovedAccountsResponse(
            accounts=[
                wire.RemovedAccount(account_id=each.account_id, tenant_id=each.tenant_id, store=each.store)
                for each in records
            ]
        )

    @order
    async def SettleRemovedAccounts(
        self, request: wire.SettleRemovedAccountsRequest, context: Context
    ) -> wire.SettleRemovedAccountsResponse:
        await self._deleted.settle([_id(each) for each in request.account_ids])
        return wire.SettleRemovedAccountsResponse()


def _id(text: str) -> str:
    if not names.is_id(text):
        raise Missing(f"there is no deleted account {text}")
    return text
