"""Asking the directory which accounts are mailing lists, and who is a member; what it said is remembered until it tells of a change."""

import time
from collections.abc import Callable, Sequence

import grpc
from directoryclient import Unavailable
from directoryclient.memory import Ages, parsed
from mailmodel import AccountRef
from mailwire.directory.v1 import lists_pb2 as wire
from mailwire.directory.v1 import membership_pb2 as members
from mailwire.directory.v1.lists_pb2_grpc import DirectoryListServiceStub
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceStub

from mda.core.lists import MailingList
from mda.ports import Bounced, Subscription

ANSWER_SECONDS = 10.0
KEPT_SECONDS = 60.0
MOST_KEPT = 50_000
MOST_AT_ONCE = 1_000
STATES = {
    members.SUBSCRIPTION_STATE_ASKED: Subscription.ASKED,
    members.SUBSCRIPTION_STATE_MEMBER: Subscription.MEMBER,
}
# The list has gone, or is full, or that is no address: no later try makes a member of it.
NEVER = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)


class DirectoryLists:
    """Satisfies ports.MailingLists."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectoryListServiceStub(channel)
        self._members = DirectoryMembershipServiceStub(channel)
        self._hears_changes = hears_changes
        self._clock = clock
        # None: it is no list.
        self._kept: dict[str, tuple[float, MailingList | None, int]] = {}
        self._ages = Ages()

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed: what was said of its tenant's accounts is old."""
        self._ages.tell(parsed(payload).tenant_id)

    async def among(self, accounts: Sequence[AccountRef]) -> dict[str, MailingList]:
        """Those that are lists, by account. While the directory does not answer, what it said last holds. Raises Unavailable."""
        now, hears = self._clock(), self._hears_changes()
        unknown: dict[str, list[str]] = {}
        # Its own: others forget the oldest while this one asks.
        said: dict[str, MailingList | None] = {}
        for account in dict.fromkeys(accounts):
            kept = self._kept.get(account.account_id)
            if kept is not None:
                said[account.account_id] = kept[1]
            is_fresh = kept is not None and kept[0] > now and self._ages.holds(kept[2], account.tenant_id)
            if not is_fresh or not hears:
                unknown.setdefault(account.tenant_id, []).append(account.account_id)
        for tenant_id, ids in unknown.items():
            for start in range(0, len(ids), MOST_AT_ONCE):
                said |= await self._ask(tenant_id, ids[start : start + MOST_AT_ONCE])
        found = {account_id: each for account_id, each in said.items() if each is not None}
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    async def _ask(self, tenant_id: str, account_ids: Sequence[str]) -> dict[str, MailingList | None]:
        """What each of these accounts is to be taken for now. Raises Unavailable."""
        asked = self._ages.now
        try:
            answer = await self._stub.FindLists(
                wire.FindListsRequest(tenant_id=tenant_id, account_ids=account_ids), timeout=ANSWER_SECONDS
            )
            lists = [_list(each) for each in answer.lists]
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                # A directory from before there were lists has none.
                lists = []
            elif all(each in self._kept for each in account_ids):
                return {each: self._kept[each][1] for each in account_ids}
            else:
                raise _unavailable(error) from error
        said = {each.list_id: each for each in lists}
        until = self._clock() + KEPT_SECONDS
        for account_id in account_ids:
            self._kept.pop(account_id, None)
            self._kept[account_id] = (until, said.get(account_id), asked)
        return {account_id: said.get(account_id) for account_id in account_ids}

    async def page(self, mailing_list: MailingList, page: int) -> tuple[int, list[tuple[str, str]]]:
        """That page of members, or the next that has any; none: there are no more. Raises Unavailable."""
        try:
            answer = await self._stub.GetMemberPage(
                wire.GetMemberPageRequest(
                    tenant_id=mailing_list.tenant_id, list_id=mailing_list.list_id, page=page
                ),
                timeout=ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        # A directory from before there were tokens gives none: then copies come back to the owners.
        tokens = list(answer.tokens) or [""] * len(answer.addresses)
        return answer.page, list(zip(answer.addresses, tokens, strict=True))

    async def members(self, mailing_list: MailingList, addresses: Sequence[str]) -> list[str]:
        """Which of the addresses are members. Raises Unavailable."""
        try:
            answer = await self._stub.FindMembers(
                wire.FindMembersRequest(
                    tenant_id=mailing_list.tenant_id, list_id=mailing_list.list_id, addresses=addresses
                ),
                timeout=ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        return list(answer.addresses)

    async def remove(self, mailing_list: MailingList, addresses: Sequence[str]) -> None:
        """They are no members any more. Raises Unavailable."""
        try:
            await self._stub.RemoveMembers(
                wire.RemoveMembersRequest(list=mailing_list.list_id, addresses=addresses),
                timeout=ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise _unavailable(error) from error

    async def subscribe(self, mailing_list: MailingList, address: str) -> tuple[Subscription, str]:
        """Raises Unavailable."""
        try:
            answer = await self._members.StartSubscription(
                members.StartSubscriptionRequest(
                    tenant_id=mailing_list.tenant_id, list_id=mailing_list.list_id, address=address
                ),
                timeout=ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in NEVER:
                return Subscription.CLOSED, ""
            raise _unavailable(error) from error
        return STATES.get(answer.state, Subscription.CLOSED), answer.token

    async def confirm(self, mailing_list: MailingList, addresses: Sequence[str], token: str) -> str:
        """Raises Unavailable."""
        try:
            answer = await self._members.FinishSubscription(
                members.FinishSubscriptionRequest(
                    tenant_id=mailing_list.tenant_id,
                    list_id=mailing_list.list_id,
                    addresses=addresses,
                    token=token,
                ),
                timeout=ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in NEVER:
                return ""
            raise _unavailable(error) from error
        return str(answer.address)

    async def bounced(self, mailing_list: MailingList, token: str, reply: str, event_id: str) -> Bounced:
        """Raises Unavailable."""
        try:
            answer = await self._members.RecordBounce(
                members.RecordBounceRequest(
                    tenant_id=mailing_list.tenant_id,
                    list_id=mailing_list.list_id,
                    token=token,
                    reply=reply,
                    event_id=event_id,
                ),
                timeout=ANSWER_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        return Bounced(answer.address, answer.days, answer.suspended, answer.removed)


def _unavailable(error: grpc.aio.AioRpcError) -> Unavailable:
    return Unavailable(f"the directory does not answer: {error.code().name}")


def _list(message: wire.MailingList) -> MailingList:
    return MailingList(
        message.list_id,
        message.tenant_id,
        message.address,
        message.name,
        {wire.POSTING_ANYONE: "anyone", wire.POSTING_MODERATORS: "moderators"}.get(
            message.posting, "members"
        ),
        message.reply_to == wire.REPLY_TO_LIST,
        tuple(message.owners),
        tuple(message.moderators),
        message.subscribing == wire.SUBSCRIBING_OPEN,
        message.short_address,
    )
