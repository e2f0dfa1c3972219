"""DirectorySharingService: who owns a mailbox that others are let into, and who these others are."""

import os
from collections.abc import Callable
from typing import Any

import grpc
from mailwire.directory.v1 import sharing_pb2 as wire
from mailwire.directory.v1.sharing_pb2_grpc import DirectorySharingServiceServicer

from directory.adapters.accounts import Accounts, Scram
from directory.adapters.addresses import Addresses
from directory.adapters.sharing import Descriptions
from directory.adapters.tenants import Domains
from directory.core import names
from directory.core.scram import SALT_OCTETS
from directory.edge.answers import mapped, order
from directory.edge.looking_alike import refuse_look_alike
from directory.edge.orders import account_message
from directory.ports import Change, Missing

Context = grpc.aio.ServicerContext[Any, Any]
ACCOUNTS = 1000


class Sharing(DirectorySharingServiceServicer):
    """Answers doors (within a tenant) and the operator."""

    def __init__(
        self,
        descriptions: Descriptions,
        accounts: Accounts,
        domains: Domains,
        addresses: Addresses,
        tell: Callable[[Change], None],
    ) -> None:
        self._addresses = addresses
        self._descriptions = descriptions
        self._accounts = accounts
        self._domains = domains
        self._tell = tell

    @mapped
    async def DescribeAccounts(
        self, request: wire.DescribeAccountsRequest, context: Context
    ) -> wire.DescribeAccountsResponse:
        """Names that cannot be any account's are left out like those that are none's."""
        if len(request.account_ids) + len(request.addresses) > ACCOUNTS:
            raise names.NameInvalid(f"at most {ACCOUNTS} accounts can be asked for at once")
        if not names.is_id(request.tenant_id):
            raise names.NameInvalid("a tenant's id is needed")
        found = await self._descriptions.of(
            request.tenant_id,
            [each for each in request.account_ids if names.is_id(each)],
            [key for each in request.addresses if (key := names.split(each)) is not None],
        )
        return wire.DescribeAccountsResponse(
            accounts=[
                wire.AccountDescription(
                    account_id=each.account_id,
                    address=each.address,
                    shared=each.shared,
                    suspended=each.suspended,
                    groups=each.groups,
                )
                for each in found
            ]
        )

    @order
    async def CreateSharedAccount(
        self, request: wire.CreateSharedAccountRequest, context: Context
    ) -> wire.CreateSharedAccountResponse:
        """An address with mailboxes that nobody logs in to."""
        address = names.address(request.address)
        domain = address.rpartition("@")[2]
        try:
            tenant_id = (await self._domains.get(domain)).tenant_id
        except Missing as error:
            raise Missing(f"the domain {domain} is not here; create it first") from error
        if not request.even_if_confusable:
            await refuse_look_alike(self._addresses, tenant_id, address)
        record = await self._accounts.create(
            tenant_id,
            address,
            None,
            Scram(os.urandom(SALT_OCTETS), None),
            names.display_name(request.display_name),
        )
        self._tell(Change(tenant_id, record.account_id, (address,)))
        return wire.CreateSharedAccountResponse(account=account_message(record))
