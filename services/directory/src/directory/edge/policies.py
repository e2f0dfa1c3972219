"""DirectoryPolicyService: what tenants and accounts chose."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message import Message
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceServicer

from directory.adapters.accounts import Accounts
from directory.adapters.policies import Policies
from directory.adapters.tenants import Tenants
from directory.core.choices import check, check_together
from directory.core.data_keys import KeyProvider
from directory.core.names import NameInvalid
from directory.edge.answers import order
from directory.edge.finding import account_of
from directory.ports import Change

Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)


class TenantPolicies(DirectoryPolicyServiceServicer):
    """Answers doors and the operator."""

    def __init__(
        self,
        tenants: Tenants,
        accounts: Accounts,
        policies: Policies,
        tell: Callable[[Change], None],
        provider: KeyProvider,
    ) -> None:
        self._tenants = tenants
        self._accounts = accounts
        self._policies = policies
        self._tell = tell
        self._provider = provider

    @order
    async def GetTenantPolicy(
        self, request: wire.GetTenantPolicyRequest, context: Context
    ) -> wire.GetTenantPolicyResponse:
        tenant = await self._tenants.get(request.tenant)
        chosen = await self._policies.of_tenant(tenant.tenant_id)
        return wire.GetTenantPolicyResponse(policy=_read(chosen, wire.TenantPolicy()))

    @order
    async def SetTenantPolicy(
        self, request: wire.SetTenantPolicyRequest, context: Context
    ) -> wire.SetTenantPolicyResponse:
        if request.policy.dmarc not in wire.DmarcLimit.values():
            raise NameInvalid("that is nothing that can be done with mail that fails DMARC")
        _check(request.policy, request.only)
        if request.policy.encrypt_bodies:
            # Who cannot get a key could not get mail either.
            await self._provider.current()
        tenant = await self._tenants.get(request.tenant)
        policy = wire.TenantPolicy()

        def change(chosen: str) -> str:
            return _changed(_read(chosen, policy), request.policy, request.only)

        await self._policies.change_tenant(tenant.tenant_id, change)
        self._tell(Change(tenant.tenant_id))
        return wire.SetTenantPolicyResponse(policy=policy)

    @order
    async def GetAccountSettings(
        self, request: wire.GetAccountSettingsRequest, context: Context
    ) -> wire.GetAccountSettingsResponse:
        account = await account_of(self._accounts, request.account)
        chosen = await self._policies.of_account(account.tenant_id, account.account_id)
        return wire.GetAccountSettingsResponse(
            settings=_read(chosen, wire.AccountSettings()), tenant_id=account.tenant_id
        )

    @order
    async def SetAccountSettings(
        self, request: wire.SetAccountSettingsRequest, context: Context
    ) -> wire.SetAccountSettingsResponse:
        _check(request.settings, request.only)
        account = await account_of(self._accounts, request.account)
        settings = wire.AccountSettings()

        def change(chosen: str) -> str:
            text = _changed(_read(chosen, settings), request.settings, request.only)
            check_together(account.address, settings)
            return text

        await self._policies.change_account(account.tenant_id, account.account_id, change)
        self._tell(Change(account.tenant_id, account_id=account.account_id))
        return wire.SetAccountSettingsResponse(settings=settings)


def _check(wished: Message, only: Sequence[str]) -> None:
    unknown = set(only) - {field.name for field in wished.DESCRIPTOR.fields}
    if unknown:
        raise NameInvalid(f"there is nothing called {min(unknown)} to choose")
    check((field.name, value) for field, value in wished.ListFields())


def _read(chosen: str, into: M) -> M:
    """A version of later may have written fields that are unknown here."""
    return Parse(chosen or "{}", into, ignore_unknown_fields=True)


def _changed(message: Message, wished: Message, only: Sequence[str]) -> str:
    if not only:
        message.CopyFrom(wished)
    for name in only:
        message.ClearField(name)
    for field, value in wished.ListFields():
        if field.name not in only:
            continue
        if isinstance(value, (str, int, float)):
            setattr(message, field.name, value)
        else:
            getattr(message, field.name).extend(value)
    return MessageToJson(message, preserving_proto_field_name=True, indent=None)
