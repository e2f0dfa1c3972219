"""DirectoryMembershipService: members who leave, join, are looked at, and whose mail comes back."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from mailwire.directory.v1 import membership_pb2 as wire
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceServicer

from directory.adapters.lists import ListRecord, Lists
from directory.adapters.membership import Membership
from directory.core import names
from directory.core.list_tokens import ListTokens
from directory.edge.answers import mapped
from directory.ports import Missing

Context = grpc.aio.ServicerContext[Any, Any]
SHOWN_MOST = 1000
ADDRESSES_MOST = 20
EVENT_CHARACTERS = 100
NOBODYS = "this is no member's any more"


class Members(DirectoryMembershipServiceServicer):
    """Answers admin-api, the mda and the doors."""

    def __init__(
        self, lists: Lists, membership: Membership, tokens: ListTokens, clock: Callable[[], datetime]
    ) -> None:
        self._lists = lists
        self._membership = membership
        self._tokens = tokens
        self._clock = clock

    def _member(self, token: str) -> tuple[str, int]:
        found = self._tokens.membership(token)
        if found is None:
            raise Missing(NOBODYS)
        return found

    @mapped
    async def ReadLeave(self, request: wire.ReadLeaveRequest, context: Context) -> wire.ReadLeaveResponse:
        list_id, number = self._member(request.token)
        address = await self._membership.address(list_id, number)
        if address is None:
            raise Missing(NOBODYS)
        record = await self._lists.get(list_id)
        return wire.ReadLeaveResponse(
            list_address=record.address, list_name=record.settings.name, address=address
        )

    @mapped
    async def Leave(self, request: wire.LeaveRequest, context: Context) -> wire.LeaveResponse:
        list_id, number = self._member(request.token)
        record = await self._lists.get(list_id)
        address = await self._membership.remove(list_id, number)
        if address is None:
            raise Missing(NOBODYS)
        return wire.LeaveResponse(list_address=record.address, address=address)

    @mapped
    async def RecordBounce(
        self, request: wire.RecordBounceRequest, context: Context
    ) -> wire.RecordBounceResponse:
        _ids(request.tenant_id, request.list_id)
        number = self._tokens.member(request.list_id, request.token)
        if number is None:
            return wire.RecordBounceResponse()
        found = await self._membership.bounced(
            request.tenant_id,
            request.list_id,
            number,
            _printable(request.reply),
            self._clock(),
            request.event_id[:EVENT_CHARACTERS],
        )
        if found is None:
            return wire.RecordBounceResponse()
        return wire.RecordBounceResponse(
            address=found.address, days=found.days, suspended=found.suspended, removed=found.removed
        )

    # -- by mail

    async def _own(self, tenant_id: str, list_id: str) -> ListRecord:
        _ids(tenant_id, list_id)
        record = await self._lists.get(list_id)
        if record.tenant_id != tenant_id:
            raise Missing("there is no such list")
        return record

    @mapped
    async def StartSubscription(
        self, request: wire.StartSubscriptionRequest, context: Context
    ) -> wire.StartSubscriptionResponse:
        record, address = await self._own(request.tenant_id, request.list_id), _address(request.address)
        if await self._lists.among(record.tenant_id, record.list_id, [address]):
            return wire.StartSubscriptionResponse(state=wire.SUBSCRIPTION_STATE_MEMBER)
        if record.settings.subscribing != "open":
            return wire.StartSubscriptionResponse(state=wire.SUBSCRIPTION_STATE_CLOSED)
        token = self._tokens.of_asked(record.list_id, address, self._clock())
        return wire.StartSubscriptionResponse(state=wire.SUBSCRIPTION_STATE_ASKED, token=token)

    @mapped
    async def FinishSubscription(
        self, request: wire.FinishSubscriptionRequest, context: Context
    ) -> wire.FinishSubscriptionResponse:
        record = await self._own(request.tenant_id, request.list_id)
        if record.settings.subscribing == "open":
            for each in request.addresses[:ADDRESSES_MOST]:
                try:
                    address = _address(each)
                except names.NameInvalid:
                    # A null reverse-path, say; whoever wrote it may stand behind it.
                    continue
                if self._tokens.is_asked(record.list_id, address, request.token, self._clock()):
                    await self._lists.add(record, [address])
                    return wire.FinishSubscriptionResponse(address=address)
        return wire.FinishSubscriptionResponse()

    # -- EXPN

    @mapped
    async def ExpandList(self, request: wire.ExpandListRequest, context: Context) -> wire.ExpandListResponse:
        record = await self._membership.of_address(request.address)
        if record is None:
            return wire.ExpandListResponse()
        answer = wire.ExpandListResponse(is_list=True)
        if await self._may_see(record, request.account_id):
            answer.allowed, answer.name, answer.members = True, record.settings.name, record.members
            members = await self._lists.members(record, -1, SHOWN_MOST)
            answer.addresses.extend(each.address for each in members)
        return answer

    async def _may_see(self, record: ListRecord, account_id: str) -> bool:
        if not names.is_id(account_id):
            return False
        # Of another tenant's account there is no address within this one.
        mine = await self._membership.addresses_of(record.tenant_id, account_id)
        settings = record.settings
        if not mine or settings.visible_to == "tenant":
            return bool(mine)
        trusted = {each.lower() for each in (*settings.owners, *settings.moderators)}
        if trusted & {each.lower() for each in mine}:
            return True
        return settings.visible_to == "members" and bool(
            await self._lists.among(record.tenant_id, record.list_id, mine)
        )


def _address(text: str) -> str:
    """As the list keeps it."""
    return names.forward_path(text) if text.isascii() else names.address(text)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _ids(*texts: str) -> None:
    if not all(names.is_id(text) for text in texts):
        raise names.NameInvalid("ids are needed")
