"""DirectoryScimService: what a tenant's own identity management orders, within its tenant."""

import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import grpc
from mailwire.directory.v1 import scim_pb2 as wire
from mailwire.directory.v1.scim_pb2_grpc import DirectoryScimServiceServicer

from directory.adapters.accounts import Accounts, Scram
from directory.adapters.addresses import Addresses
from directory.adapters.deleted import DeletedAccounts
from directory.adapters.provisioning import GroupRecord, Provisioning, Sought, TokenRecord, UserRecord
from directory.adapters.tenants import Tenants
from directory.core import app_passwords, names, roles
from directory.core.scram import SALT_OCTETS, ScramKeys
from directory.edge.answers import order
from directory.edge.looking_alike import refuse_look_alike
from directory.edge.orders import check_may_delete
from directory.ports import Change, Suspending

Context = grpc.aio.ServicerContext[Any, Any]
Hashed = Callable[[str, bytes], Awaitable[tuple[str, ScramKeys | None]]]
PAGE_MOST = 200
PREFIX = "scim-"


def _verifier(secret: str) -> str:
    return "sha256$" + hashlib.sha256(secret.encode()).hexdigest()


def _token(record: TokenRecord) -> wire.ScimToken:
    message = wire.ScimToken(token_id=record.token_id, name=record.name)
    message.created_at.FromDatetime(record.created_at)
    return message


def _user(record: UserRecord) -> wire.ScimUser:
    message = wire.ScimUser(
        account_id=record.account_id,
        user_name=record.user_name,
        external_id=record.external_id,
        display_name=record.display_name,
        active=record.active,
        emails=record.emails,
        roles=record.roles,
    )
    message.created_at.FromDatetime(record.created_at)
    return message


def _group(record: GroupRecord) -> wire.ScimGroup:
    message = wire.ScimGroup(
        group_id=record.group_id,
        display_name=record.display_name,
        external_id=record.external_id,
        address=record.address,
        members=[wire.ScimMember(account_id=each, address=address) for each, address in record.members],
    )
    message.created_at.FromDatetime(record.created_at)
    return message


def _sought(filter_: wire.ScimFilter) -> Sought:
    return Sought(filter_.attribute, filter_.value)


class ScimOrders(DirectoryScimServiceServicer):
    """Answers admin-api, which knows by the token whose orders they are."""

    def __init__(
        self,
        tenants: Tenants,
        accounts: Accounts,
        addresses: Addresses,
        deleted: DeletedAccounts,
        provisioning: Provisioning,
        hashed: Hashed,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._tenants = tenants
        self._accounts = accounts
        self._addresses = addresses
        self._deleted = deleted
        self._kept = provisioning
        self._hashed = hashed
        self._tell = tell
        self._clock = clock

    # -- tokens

    @order
    async def CreateScimToken(
        self, request: wire.CreateScimTokenRequest, context: Context
    ) -> wire.CreateScimTokenResponse:
        tenant, secret = await self._tenants.get(request.tenant), PREFIX + secrets.token_urlsafe(32)
        record = await self._kept.add_token(
            tenant.tenant_id, app_passwords.name(request.name), _verifier(secret)
        )
        return wire.CreateScimTokenResponse(token=_token(record), secret=secret)

    @order
    async def ListScimTokens(
        self, request: wire.ListScimTokensRequest, context: Context
    ) -> wire.ListScimTokensResponse:
        tenant = await self._tenants.get(request.tenant)
        return wire.ListScimTokensResponse(
            tokens=[_token(each) for each in await self._kept.tokens(tenant.tenant_id)]
        )

    @order
    async def DeleteScimToken(
        self, request: wire.DeleteScimTokenRequest, context: Context
    ) -> wire.DeleteScimTokenResponse:
        tenant = await self._tenants.get(request.tenant)
        await self._kept.delete_token(tenant.tenant_id, request.token_id)
        return wire.DeleteScimTokenResponse()

    @order
    async def ResolveScimToken(
        self, request: wire.ResolveScimTokenRequest, context: Context
    ) -> wire.ResolveScimTokenResponse:
        return wire.ResolveScimTokenResponse(tenant_id=await self._kept.tenant_of(_verifier(request.secret)))

    # -- users

    @order
    async def ListScimUsers(
        self, request: wire.ListScimUsersRequest, context: Context
    ) -> wire.ListScimUsersResponse:
        records, total = await self._kept.users(
            request.tenant_id,
            _sought(request.filter),
            max(0, request.offset),
            max(0, min(PAGE_MOST, request.limit)),
        )
        return wire.ListScimUsersResponse(users=[_user(each) for each in records], total=total)

    async def _own_address(self, tenant_id: str, text: str) -> str:
        address = names.address(text)
        domain = address.rpartition("@")[2]
        if not await self._kept.has_domain(tenant_id, domain):
            raise names.NameInvalid(f"the domain {domain} is not one of the tenant's")
        return address

    async def _new_address(self, tenant_id: str, text: str) -> str:
        address = await self._own_address(tenant_id, text)
        await refuse_look_alike(self._addresses, tenant_id, address)
        return address

    @order
    async def CreateScimUser(
        self, request: wire.CreateScimUserRequest, context: Context
    ) -> wire.CreateScimUserResponse:
        """Who is to look like somebody else all the same is created by REST, and found here by its userName."""
        tenant_id, user = request.tenant_id, request.user
        address = await self._new_address(tenant_id, user.user_name)
        name = names.display_name(user.display_name)
        wanted, salt = roles.checked(user.roles), os.urandom(SALT_OCTETS)
        verifier, keys = await self._hashed(request.password or secrets.token_urlsafe(32), salt)
        account = await self._accounts.create(tenant_id, address, verifier, Scram(salt, keys), name, wanted)
        try:
            if user.external_id:
                await self._kept.set_external_id(tenant_id, account.account_id, user.external_id)
        except Exception:
            # All or nothing: nobody has seen it yet.
            await self._deleted.delete(account, self._clock())
            await self._deleted.remove(account.account_id)
            raise
        if not user.active:
            await self._accounts.update(account, suspending=Suspending(by_tenant=True))
        self._tell(Change(tenant_id, account.account_id, (address,)))
        return wire.CreateScimUserResponse(user=_user(await self._kept.user(tenant_id, account.account_id)))

    @order
    async def UpdateScimUser(
        self, request: wire.UpdateScimUserRequest, context: Context
    ) -> wire.UpdateScimUserResponse:
        tenant_id, user = request.tenant_id, request.user
        before = await self._kept.user(tenant_id, user.account_id)
        account = await self._accounts.get_by_id(before.account_id)
        wanted = roles.checked(user.roles) if request.sets_roles else None
        if wanted and account.shared:
            raise names.NameInvalid("nobody logs in to a shared account: it has no role")
        address = await self._own_address(tenant_id, user.user_name)
        # What could be refused is looked at before anything is changed: all or nothing (RFC 7644 §3.5.2).
        name, verifier, keys = names.display_name(user.display_name), None, None
        if request.password:
            verifier, keys = await self._hashed(request.password, account.scram_salt)
        if user.external_id != before.external_id:
            await self._kept.set_external_id(tenant_id, before.account_id, user.external_id)
        if address != before.user_name:
            if address not in before.emails:
                await refuse_look_alike(self._addresses, tenant_id, address, account.account_id)
                await self._addresses.add(account, address)
            await self._addresses.make_primary(account, address)
        suspending = Suspending(by_tenant=None if request.keeps_active else not user.active)
        await self._accounts.update(account, name, suspending, verifier, keys, wanted)
        self._tell(Change(tenant_id, before.account_id, tuple(dict.fromkeys((*before.emails, address)))))
        return wire.UpdateScimUserResponse(user=_user(await self._kept.user(tenant_id, before.account_id)))

    @order
    async def DeleteScimUser(
        self, request: wire.DeleteScimUserRequest, context: Context
    ) -> wire.DeleteScimUserResponse:
        """The operator can still restore it for some days."""
        await self._kept.user(request.tenant_id, request.account_id)
        account = await self._accounts.get_by_id(request.account_id)
        check_may_delete(account, is_tenant=True)
        addresses = await self._deleted.delete(account, self._clock())
        self._tell(Change(account.tenant_id, account.account_id, addresses))
        return wire.DeleteScimUserResponse()

    # -- groups

    @order
    async def ListScimGroups(
        self, request: wire.ListScimGroupsRequest, context: Context
    ) -> wire.ListScimGroupsResponse:
        records, total = await self._kept.groups(
            request.tenant_id,
            _sought(request.filter),
            max(0, request.offset),
            max(0, min(PAGE_MOST, request.limit)),
        )
        return wire.ListScimGroupsResponse(groups=[_group(each) for each in records], total=total)

    @order
    async def CreateScimGroup(
        self, request: wire.CreateScimGroupRequest, context: Context
    ) -> wire.CreateScimGroupResponse:
        tenant_id, group = request.tenant_id, request.group
        name = app_passwords.name(group.display_name)
        text = group.address or f"{_slug(name)}@{await self._kept.first_domain(tenant_id)}"
        address = await self._new_address(tenant_id, text)
        record = await self._kept.create_group(
            tenant_id, address, name, group.external_id, [each.account_id for each in group.members]
        )
        self._tell(Change(tenant_id, addresses=(address,)))
        return wire.CreateScimGroupResponse(group=_group(record))

    @order
    async def UpdateScimGroup(
        self, request: wire.UpdateScimGroupRequest, context: Context
    ) -> wire.UpdateScimGroupResponse:
        tenant_id, group = request.tenant_id, request.group
        record = await self._kept.group(tenant_id, group.group_id)
        seen = request.before
        before = replace(
            record,
            display_name=seen.display_name,
            external_id=seen.external_id,
            members=tuple((each.account_id, each.address) for each in seen.members),
        )
        record = await self._kept.update_group(
            tenant_id,
            record,
            app_passwords.name(group.display_name),
            group.external_id,
            [each.account_id for each in group.members],
            before if request.HasField("before") else None,
        )
        self._tell(Change(tenant_id, addresses=(record.address,)))
        return wire.UpdateScimGroupResponse(group=_group(record))

    @order
    async def DeleteScimGroup(
        self, request: wire.DeleteScimGroupRequest, context: Context
    ) -> wire.DeleteScimGroupResponse:
        record = await self._kept.group(request.tenant_id, request.group_id)
        await self._kept.delete_group(request.tenant_id, record)
        self._tell(Change(request.tenant_id, addresses=(record.address,)))
        return wire.DeleteScimGroupResponse()


def _slug(name: str) -> str:
    """A local part made of a name. Raises NameInvalid where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")
    if not slug:
        raise names.NameInvalid("no address can be made of that name; give one")
    return slug
