"""DirectoryListService: mailing lists for the operator, and for the mda that distributes to them."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import grpc
from mailwire.directory.v1 import lists_pb2 as wire
from mailwire.directory.v1.lists_pb2_grpc import DirectoryListServiceServicer

from directory.adapters.accounts import Accounts
from directory.adapters.addresses import Addresses
from directory.adapters.deleted import DeletedAccounts
from directory.adapters.lists import ListRecord, Lists, ListSettings
from directory.adapters.tenants import Domains, Tenants
from directory.core import names
from directory.core.list_tokens import ListTokens, short_name
from directory.core.scram import SALT_OCTETS
from directory.edge.answers import mapped, order
from directory.edge.finding import account_of
from directory.edge.looking_alike import refuse_look_alike
from directory.edge.orders import check_may_delete
from directory.edge.paging import page_size
from directory.ports import Change, Missing

Context = grpc.aio.ServicerContext[Any, Any]
POSTING = {
    wire.POSTING_UNSPECIFIED: "members",
    wire.POSTING_ANYONE: "anyone",
    wire.POSTING_MEMBERS: "members",
    wire.POSTING_MODERATORS: "moderators",
}
REPLY_TO = {
    wire.REPLY_TO_UNSPECIFIED: "author",
    wire.REPLY_TO_AUTHOR: "author",
    wire.REPLY_TO_LIST: "list",
}
SUBSCRIBING = {
    wire.SUBSCRIBING_UNSPECIFIED: "closed",
    wire.SUBSCRIBING_CLOSED: "closed",
    wire.SUBSCRIBING_OPEN: "open",
}
VISIBLE_TO = {
    wire.VISIBLE_TO_UNSPECIFIED: "owners",
    wire.VISIBLE_TO_OWNERS: "owners",
    wire.VISIBLE_TO_MEMBERS: "members",
    wire.VISIBLE_TO_TENANT: "tenant",
}
BOUNCE_ACTION = {
    wire.BOUNCE_ACTION_UNSPECIFIED: "suspend",
    wire.BOUNCE_ACTION_SUSPEND: "suspend",
    wire.BOUNCE_ACTION_REMOVE: "remove",
}
BOUNCE_LIMIT, BOUNCE_LIMIT_MOST = 5, 100
SUBSCRIBING_WORDS = {word: value for value, word in SUBSCRIBING.items() if value}
VISIBLE_TO_WORDS = {word: value for value, word in VISIBLE_TO.items() if value}
BOUNCE_ACTION_WORDS = {word: value for value, word in BOUNCE_ACTION.items() if value}
POSTING_WORDS = {word: value for value, word in POSTING.items() if value}
REPLY_TO_WORDS = {word: value for value, word in REPLY_TO.items() if value}
ADDRESSES = 1000
OWNERS = 20
NAME_CHARACTERS = 100
DESCRIPTION_CHARACTERS = 1000


def _message(record: ListRecord) -> wire.MailingList:
    return wire.MailingList(
        list_id=record.list_id,
        tenant_id=record.tenant_id,
        tenant_name=record.tenant_name,
        address=record.address,
        name=record.settings.name,
        description=record.settings.description,
        posting=POSTING_WORDS[record.settings.posting],
        reply_to=REPLY_TO_WORDS[record.settings.reply_to],
        owners=record.settings.owners,
        moderators=record.settings.moderators,
        members=record.members,
        subscribing=SUBSCRIBING_WORDS[record.settings.subscribing],
        visible_to=VISIBLE_TO_WORDS[record.settings.visible_to],
        bounce_limit=record.settings.bounce_limit,
        bounce_action=BOUNCE_ACTION_WORDS[record.settings.bounce_action],
        short_address=f"{short_name(record.list_id)}@{record.address.rpartition('@')[2]}",
    )


def _checked(settings: ListSettings) -> ListSettings:
    if len(settings.name) > NAME_CHARACTERS or len(settings.description) > DESCRIPTION_CHARACTERS:
        raise names.NameInvalid("a list's name or description is too long")
    if not 1 <= len(settings.owners) <= OWNERS or len(settings.moderators) > OWNERS:
        raise names.NameInvalid(f"a list has 1 to {OWNERS} owners and at most {OWNERS} moderators")
    if not 0 <= settings.bounce_limit <= BOUNCE_LIMIT_MOST:
        raise names.NameInvalid(f"a bounce limit is a number of days from 0 to {BOUNCE_LIMIT_MOST}")
    return settings


class ListOrders(DirectoryListServiceServicer):
    """Answers the operator and the mda."""

    def __init__(
        self,
        tenants: Tenants,
        domains: Domains,
        accounts: Accounts,
        lists: Lists,
        look_alikes: Addresses,
        deleted: DeletedAccounts,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime],
        tokens: ListTokens,
    ) -> None:
        self._tokens = tokens
        self._tenants = tenants
        self._domains = domains
        self._accounts = accounts
        self._lists = lists
        self._look_alikes = look_alikes
        self._deleted = deleted
        self._tell = tell
        self._clock = clock

    async def _list(self, address_or_id: str) -> ListRecord:
        try:
            return await self._lists.get((await account_of(self._accounts, address_or_id)).account_id)
        except Missing as error:
            raise Missing(f"there is no list {address_or_id}") from error

    async def _addresses(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Each once; ours in the form that we keep, remote ones as they were written. Raises NameInvalid."""
        if len(addresses) > ADDRESSES:
            raise names.NameInvalid(f"at most {ADDRESSES} addresses can be given at once")
        ours = await self._domains.ours({names.domain_of(each) for each in addresses})
        return tuple(
            dict.fromkeys(
                names.address(each) if names.domain_of(each) in ours else names.forward_path(each)
                for each in addresses
            )
        )

    @order
    async def CreateList(self, request: wire.CreateListRequest, context: Context) -> wire.CreateListResponse:
        address = names.address(request.address)
        local_part, _, domain = address.rpartition("@")
        if "+" in local_part:
            raise names.NameInvalid("a list's name before the @ has no +")
        try:
            tenant_id = (await self._domains.get(domain)).tenant_id
        except Missing as error:
            raise Missing(f"the domain {domain} is not here; create it first") from error
        if not request.even_if_confusable:
            await refuse_look_alike(self._look_alikes, tenant_id, address)
        settings = ListSettings(
            request.name,
            request.description,
            POSTING[request.posting],
            REPLY_TO[request.reply_to],
            await self._addresses(request.owners),
            await self._addresses(request.moderators),
            SUBSCRIBING[request.subscribing],
            VISIBLE_TO[request.visible_to],
            request.bounce_limit if request.HasField("bounce_limit") else BOUNCE_LIMIT,
            BOUNCE_ACTION[request.bounce_action],
        )
        list_id = await self._lists.create(tenant_id, address, os.urandom(SALT_OCTETS), _checked(settings))
        self._tell(Change(tenant_id, list_id, (address,)))
        return wire.CreateListResponse(list=_message(await self._lists.get(list_id)))

    @order
    async def GetList(self, request: wire.GetListRequest, context: Context) -> wire.GetListResponse:
        return wire.GetListResponse(list=_message(await self._list(request.list)))

    @order
    async def UpdateList(self, request: wire.UpdateListRequest, context: Context) -> wire.UpdateListResponse:
        record = await self._list(request.list)
        old, moderators = record.settings, await self._addresses(request.moderators)
        settings = ListSettings(
            request.name if request.HasField("name") else old.name,
            request.description if request.HasField("description") else old.description,
            POSTING[request.posting] if request.posting else old.posting,
            REPLY_TO[request.reply_to] if request.reply_to else old.reply_to,
            await self._addresses(request.owners) or old.owners,
            moderators if moderators or request.no_moderators else old.moderators,
            SUBSCRIBING[request.subscribing] if request.subscribing else old.subscribing,
            VISIBLE_TO[request.visible_to] if request.visible_to else old.visible_to,
            request.bounce_limit if request.HasField("bounce_limit") else old.bounce_limit,
            BOUNCE_ACTION[request.bounce_action] if request.bounce_action else old.bounce_action,
        )
        await self._lists.update(record, _checked(settings))
        self._tell(Change(record.tenant_id, record.list_id))
        return wire.UpdateListResponse(list=_message(await self._lists.get(record.list_id)))

    @order
    async def ListLists(self, request: wire.ListListsRequest, context: Context) -> wire.ListListsResponse:
        size = page_size(request.page_size)
        tenant_id = (await self._tenants.get(request.tenant)).tenant_id if request.tenant else None
        records = await self._lists.listing(tenant_id, request.page_token, size)
        return wire.ListListsResponse(
            lists=[_message(record) for record in records],
            next_page_token=records[-1].address if len(records) == size else "",
        )

    @order
    async def DeleteList(self, request: wire.DeleteListRequest, context: Context) -> wire.DeleteListResponse:
        record = await self._list(request.list)
        account = await self._accounts.get_by_id(record.list_id)
        check_may_delete(account)
        addresses = await self._deleted.delete(account, self._clock())
        self._tell(Change(record.tenant_id, record.list_id, addresses or (record.address,)))
        return wire.DeleteListResponse()

    # -- members

    @order
    async def AddMembers(self, request: wire.AddMembersRequest, context: Context) -> wire.AddMembersResponse:
        record = await self._list(request.list)
        added = await self._lists.add(record, await self._addresses(request.addresses))
        return wire.AddMembersResponse(added=added)

    @order
    async def RemoveMembers(
        self, request: wire.RemoveMembersRequest, context: Context
    ) -> wire.RemoveMembersResponse:
        if len(request.addresses) > ADDRESSES:
            raise names.NameInvalid(f"at most {ADDRESSES} addresses can be given at once")
        removed = await self._lists.remove(await self._list(request.list), list(request.addresses))
        return wire.RemoveMembersResponse(removed=removed)

    @order
    async def ListMembers(
        self, request: wire.ListMembersRequest, context: Context
    ) -> wire.ListMembersResponse:
        size = page_size(request.page_size)
        token = request.page_token
        if token and not (token.isascii() and token.isdigit() and len(token) < 19):
            raise names.NameInvalid("that is no page of a list's members")
        members = await self._lists.members(
            await self._list(request.list), int(token) if token else -1, size, request.suspended
        )
        return wire.ListMembersResponse(
            addresses=[each.address for each in members],
            next_page_token=str(members[-1].number) if len(members) == size else "",
            members=[
                wire.Member(
                    address=each.address,
                    bounce_days=each.bounce_days,
                    last_bounce=each.last_bounce,
                    suspended=each.suspended,
                )
                for each in members
            ],
        )

    # -- what the mda asks

    @mapped
    async def FindLists(self, request: wire.FindListsRequest, context: Context) -> wire.FindListsResponse:
        if len(request.account_ids) > ADDRESSES:
            raise names.NameInvalid(f"at most {ADDRESSES} accounts can be asked for at once")
        _ids(request.tenant_id, *request.account_ids)
        found = await self._lists.found(request.tenant_id, list(request.account_ids))
        return wire.FindListsResponse(lists=[_message(record) for record in found])

    @mapped
    async def GetMemberPage(
        self, request: wire.GetMemberPageRequest, context: Context
    ) -> wire.GetMemberPageResponse:
        _ids(request.tenant_id, request.list_id)
        page, members = await self._lists.page(request.tenant_id, request.list_id, request.page)
        return wire.GetMemberPageResponse(
            page=page,
            addresses=[address for _, address in members],
            tokens=[self._tokens.of_member(request.list_id, number) for number, _ in members],
        )

    @mapped
    async def FindMembers(
        self, request: wire.FindMembersRequest, context: Context
    ) -> wire.FindMembersResponse:
        _ids(request.tenant_id, request.list_id)
        found = await self._lists.among(
            request.tenant_id, request.list_id, list(request.addresses[:ADDRESSES])
        )
        return wire.FindMembersResponse(addresses=found)


def _ids(*texts: str) -> None:
    if not all(names.is_id(text) for text in texts):
        raise names.NameInvalid("ids are needed")
