"""What members of mailing lists do themselves, on real PostgreSQL: leaving, joining, being seen, mail that comes back."""

from typing import Any

import grpc
import pytest
from directory.core.list_tokens import list_text
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import lists_pb2 as wire
from mailwire.directory.v1 import membership_pb2 as membership

from .conftest import House
from .test_lists import add, created

DAY = 86_400.0


async def tokens_of(house: House, made: wire.MailingList) -> dict[str, str]:
    """Of members who get mail."""
    request = wire.GetMemberPageRequest(tenant_id=house.tenant_id, list_id=made.list_id)
    answer = await house.lists.GetMemberPage(request)
    return dict(zip(answer.addresses, answer.tokens, strict=True))


async def bounce(
    house: House, made: wire.MailingList, token: str, reply: str = "550 no", event_id: str = ""
) -> Any:
    request = membership.RecordBounceRequest(
        tenant_id=house.tenant_id, list_id=made.list_id, token=token, reply=reply, event_id=event_id
    )
    return await house.members.RecordBounce(request)


async def member_of(house: House, address: str) -> wire.Member | None:
    answer = await house.lists.ListMembers(wire.ListMembersRequest(list=house.at("news")))
    return next((each for each in answer.members if each.address == address), None)


async def test_who_has_the_token_leaves_once(house: House) -> None:
    made = await created(house, name="The news")
    await add(house, "ann@far.test", "bob@far.test")
    token = list_text(made.list_id) + (await tokens_of(house, made))["ann@far.test"]
    read = await house.members.ReadLeave(membership.ReadLeaveRequest(token=token))
    assert (read.list_address, read.list_name, read.address) == (made.address, "The news", "ann@far.test")
    assert set(await tokens_of(house, made)) == {"ann@far.test", "bob@far.test"}, "reading changes nothing"
    left = await house.members.Leave(membership.LeaveRequest(token=token))
    assert (left.list_address, left.address) == (made.address, "ann@far.test")
    assert set(await tokens_of(house, made)) == {"bob@far.test"}
    await add(house, "ann@far.test")
    for wrong in (token, token[:-1] + ("a" if token[-1] != "a" else "b"), token[:26], ""):
        for call, request in (
            (house.members.Leave, membership.LeaveRequest(token=wrong)),
            (house.members.ReadLeave, membership.ReadLeaveRequest(token=wrong)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(request)
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert set(await tokens_of(house, made)) == {"ann@far.test", "bob@far.test"}, "it was of a membership"


async def test_a_member_whose_mail_comes_back_on_several_days_gets_none_until_it_is_added_again(
    house: House,
) -> None:
    made = await created(house, bounce_limit=3)
    await add(house, "ann@far.test", "bob@far.test")
    token = (await tokens_of(house, made))["ann@far.test"]
    for days, passed in ((1, 0.0), (1, DAY), (2, 0.0)):
        found = await bounce(house, made, token.upper(), "550 5.1.1 no\r\nsuch")
        assert (found.address, found.days) == ("ann@far.test", days)
        assert (found.suspended, found.removed) == (False, False)
        house.clock.advance(passed)
    ann = await member_of(house, "ann@far.test")
    assert ann is not None
    assert ann.last_bounce == "550 5.1.1 no  such"
    house.clock.advance(DAY)
    assert (await bounce(house, made, token)).suspended
    assert not (await bounce(house, made, token)).suspended, "told once"
    assert set(await tokens_of(house, made)) == {"bob@far.test"}
    request = wire.ListMembersRequest(list=house.at("news"), suspended=True)
    assert list((await house.lists.ListMembers(request)).addresses) == ["ann@far.test"]
    assert await add(house, "ANN@far.test") == 1
    assert set(await tokens_of(house, made)) == {"ann@far.test", "bob@far.test"}
    assert (await bounce(house, made, token)).days == 1


async def test_what_came_back_long_ago_is_forgotten_and_the_owner_may_want_members_removed(
    house: House,
) -> None:
    made = await created(house, bounce_limit=2, bounce_action=wire.BOUNCE_ACTION_REMOVE)
    await add(house, "ann@far.test")
    token = (await tokens_of(house, made))["ann@far.test"]
    assert (await bounce(house, made, token)).days == 1
    house.clock.advance(15 * DAY)
    assert (await bounce(house, made, token)).days == 1
    house.clock.advance(DAY)
    assert (await bounce(house, made, token)).removed
    assert await member_of(house, "ann@far.test") is None
    assert (await bounce(house, made, token)).address == ""


@pytest.mark.parametrize("action", [wire.BOUNCE_ACTION_SUSPEND, wire.BOUNCE_ACTION_REMOVE])
async def test_of_the_same_event_it_says_the_same_again(house: House, action: Any) -> None:
    """Who asked may have come to an end before it told the owners."""
    made = await created(house, bounce_limit=1, bounce_action=action)
    await add(house, "ann@far.test")
    token = (await tokens_of(house, made))["ann@far.test"]
    expected = (action == wire.BOUNCE_ACTION_SUSPEND, action == wire.BOUNCE_ACTION_REMOVE)
    for passed in (0.0, DAY):
        house.clock.advance(passed)
        found = await bounce(house, made, token, event_id="01J")
        assert (found.suspended, found.removed) == expected
        other = await bounce(house, made, token, event_id="01K")
        assert (other.suspended, other.removed) == (False, False), "told once"
    # It gets no mail meanwhile, and is not removed before that is told.
    assert await tokens_of(house, made) == {}
    assert await add(house, "ann@far.test") == 1
    assert set(await tokens_of(house, made)) == {"ann@far.test"}


async def test_without_a_limit_nobody_is_suspended_and_without_a_token_nothing_is_counted(
    house: House,
) -> None:
    made = await created(house, bounce_limit=0)
    await add(house, "ann@far.test")
    token = (await tokens_of(house, made))["ann@far.test"]
    for _ in range(8):
        assert not (await bounce(house, made, token)).suspended
        house.clock.advance(DAY)
    for wrong in ("", "a" * 24, token[::-1]):
        assert (await bounce(house, made, wrong)).address == ""
    tenant = await house.order.GetTenant(directory.GetTenantRequest(tenant=house.other))
    request = membership.RecordBounceRequest(
        tenant_id=tenant.tenant.tenant_id, list_id=made.list_id, token=token
    )
    assert (await house.members.RecordBounce(request)).address == ""


async def start(house: House, made: wire.MailingList, address: str) -> Any:
    request = membership.StartSubscriptionRequest(
        tenant_id=house.tenant_id, list_id=made.list_id, address=address
    )
    return await house.members.StartSubscription(request)


async def finish(house: House, made: wire.MailingList, token: str, *addresses: str) -> str:
    request = membership.FinishSubscriptionRequest(
        tenant_id=house.tenant_id, list_id=made.list_id, addresses=addresses, token=token
    )
    return str((await house.members.FinishSubscription(request)).address)


async def test_who_is_asked_and_confirms_is_a_member(house: House) -> None:
    made = await created(house, subscribing=wire.SUBSCRIBING_OPEN)
    asked = await start(house, made, "Ann@far.test")
    assert asked.state == membership.SUBSCRIPTION_STATE_ASKED
    assert await member_of(house, "Ann@far.test") is None
    assert await finish(house, made, asked.token, "eve@far.test") == ""
    assert await finish(house, made, "a" * 20, "ann@far.test") == ""
    # What is no address at all is nobody, and keeps nobody from it.
    assert await finish(house, made, asked.token, "", "x y@far.test") == ""
    assert await finish(house, made, asked.token, "", "eve@far.test", "ann@far.test") == "ann@far.test"
    assert (await start(house, made, "ann@FAR.test")).state == membership.SUBSCRIPTION_STATE_MEMBER
    late = (await start(house, made, "bob@far.test")).token
    house.clock.advance(9 * DAY)
    assert await finish(house, made, late, "bob@far.test") == ""
    late = (await start(house, made, "bob@far.test")).token
    await house.lists.UpdateList(
        wire.UpdateListRequest(list=made.list_id, subscribing=wire.SUBSCRIBING_CLOSED)
    )
    assert (await start(house, made, "bob@far.test")).state == membership.SUBSCRIPTION_STATE_CLOSED
    assert await finish(house, made, late, "bob@far.test") == ""


async def test_who_may_see_the_members(house: House) -> None:
    owner, member, other = [await house.account(house.at(name)) for name in ("owner", "member", "other")]
    made = await created(house, owners=[house.at("owner")], moderators=["mod@far.test"])
    await add(house, house.at("member"), "ann@far.test")

    async def seen(account_id: str, address: str = "") -> list[str] | None:
        request = membership.ExpandListRequest(address=address or house.at("NEWS"), account_id=account_id)
        answer = await house.members.ExpandList(request)
        assert answer.is_list
        return list(answer.addresses) if answer.allowed else None

    everybody = [house.at("member"), "ann@far.test"]
    for visible_to, allowed in (
        (wire.VISIBLE_TO_OWNERS, {owner.account_id}),
        (wire.VISIBLE_TO_MEMBERS, {owner.account_id, member.account_id}),
        (wire.VISIBLE_TO_TENANT, {owner.account_id, member.account_id, other.account_id}),
    ):
        await house.lists.UpdateList(wire.UpdateListRequest(list=made.list_id, visible_to=visible_to))
        for account_id in (owner.account_id, member.account_id, other.account_id, "", "x"):
            assert await seen(account_id) == (everybody if account_id in allowed else None)
    await house.order.CreateDomain(directory.CreateDomainRequest(name=f"x{house.domain}", tenant=house.other))
    stranger = await house.account(f"stranger@x{house.domain}")
    assert await seen(stranger.account_id) is None
    for address in (house.at("owner"), "nobody@far.test", "no address"):
        request = membership.ExpandListRequest(address=address, account_id=owner.account_id)
        assert not (await house.members.ExpandList(request)).is_list


async def test_a_lists_own_addresses_lead_to_it_where_nobody_has_them(house: House) -> None:
    taken = await house.account(house.at("news-request"))
    made = await created(house)
    for name, account_id in (
        ("news-subscribe", made.list_id),
        ("news-unsubscribe", made.list_id),
        ("news-owner", made.list_id),
        ("news-request", taken.account_id),
        ("news+request", made.list_id),
    ):
        [resolution] = await house.resolve(house.at(name))
        assert resolution.targets[0].account_id == account_id, name
    await house.lists.DeleteList(wire.DeleteListRequest(list=made.list_id))
    [resolution] = await house.resolve(house.at("news-subscribe"))
    assert resolution.disposition == directory.DISPOSITION_UNKNOWN
