"""Mailing lists on real PostgreSQL: settings, members, and pages that do not change by who comes and goes."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from directory.adapters import lists
from directory.core.list_tokens import short_name
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import lists_pb2 as wire
from spool import Letter, Recipient, Source, new_queue_id
from spool.verp import with_copies

from .conftest import House


async def created(house: House, **more: Any) -> wire.MailingList:
    values = {"address": house.at("news"), "owners": ["owner@far.test"], **more}
    made: wire.CreateListResponse = await house.lists.CreateList(wire.CreateListRequest(**values))
    return made.list


async def add(house: House, *addresses: str) -> int:
    request = wire.AddMembersRequest(list=house.at("news"), addresses=addresses)
    return int((await house.lists.AddMembers(request)).added)


async def page(
    house: House, made: wire.MailingList, number: int, tenant_id: str = ""
) -> tuple[int, list[str]]:
    answer = await house.lists.GetMemberPage(
        wire.GetMemberPageRequest(tenant_id=tenant_id or house.tenant_id, list_id=made.list_id, page=number)
    )
    return answer.page, list(answer.addresses)


async def test_a_list_is_an_address_that_the_mda_finds_and_has_what_was_chosen(house: House) -> None:
    made = await created(house, description="what is new", moderators=[house.at("Mod")])
    assert (made.posting, made.reply_to) == (wire.POSTING_MEMBERS, wire.REPLY_TO_AUTHOR)
    assert list(made.moderators) == [house.at("mod")]
    [resolution] = await house.resolve(house.at("news+unsubscribe"))
    assert resolution.disposition == directory.DISPOSITION_DELIVER
    assert resolution.targets[0].account_id == made.list_id
    person = await house.account(house.at("person"))
    request = wire.FindListsRequest(tenant_id=house.tenant_id, account_ids=[made.list_id, person.account_id])
    assert [each.address for each in (await house.lists.FindLists(request)).lists] == [house.at("news")]
    change = wire.UpdateListRequest(
        list=house.at("news"), posting=wire.POSTING_ANYONE, reply_to=wire.REPLY_TO_LIST, no_moderators=True
    )
    changed = (await house.lists.UpdateList(change)).list
    assert (changed.posting, changed.reply_to) == (wire.POSTING_ANYONE, wire.REPLY_TO_LIST)
    assert (changed.description, list(changed.moderators)) == ("what is new", [])
    assert list(changed.owners) == ["owner@far.test"]
    await house.lists.DeleteList(wire.DeleteListRequest(list=made.list_id))
    [resolution] = await house.resolve(house.at("news"))
    assert resolution.disposition == directory.DISPOSITION_UNKNOWN
    assert not (await house.lists.ListLists(wire.ListListsRequest(tenant=house.tenant))).lists


async def test_the_longest_name_has_a_short_address_beside_it(house: House) -> None:
    address = house.at("a" * 64)
    made = await created(house, address=address)
    short, _, domain = made.short_address.partition("@")
    for detail in ("+b-token", "+unsubscribe", ""):
        [resolution] = await house.resolve(f"{short.upper()}{detail}@{domain}")
        assert resolution.disposition == directory.DISPOSITION_DELIVER
        [target] = resolution.targets
        assert (target.address, target.account_id) == (address, made.list_id)
    person = await house.account(house.at("person"))
    other = f"{house.tenant}-other.test"
    await house.order.CreateDomain(directory.CreateDomainRequest(name=other, tenant=house.tenant))
    for nobody in (
        house.at(short[:-2] + "aa"),
        f"{short}@{other}",
        house.at(short_name(person.account_id)),
    ):
        [resolution] = await house.resolve(nobody)
        assert resolution.disposition == directory.DISPOSITION_UNKNOWN
    await house.lists.DeleteList(wire.DeleteListRequest(list=made.list_id))
    [resolution] = await house.resolve(made.short_address)
    assert resolution.disposition == directory.DISPOSITION_UNKNOWN


async def test_the_reverse_path_of_a_copy_leads_to_its_sender_whatever_its_name(house: House) -> None:
    person = await house.account(house.at("p" * 64))
    sent = Letter(
        new_queue_id(),
        house.at("p" * 64),
        (Recipient("bob@far.test", "bob@far.test", house.tenant_id, None),),
        b"x",
        b"",
        Source.SUBMISSION,
        datetime.now(UTC),
    )
    made = with_copies(sent, person.account_id)
    assert made.own_copies is not None
    path = made.own_copies.reverse_path.replace("<>", made.recipients[0].token)
    for came in (path, path.upper()):
        [resolution] = await house.resolve(came)
        assert resolution.disposition == directory.DISPOSITION_DELIVER
        assert [each.account_id for each in resolution.targets] == [person.account_id]
    local_part, _, domain = path.partition("@")
    for nobody in (local_part.partition("+")[0], local_part.partition("+")[0] + "+x", local_part[:-1]):
        [resolution] = await house.resolve(f"{nobody}@{domain}")
        assert resolution.disposition == directory.DISPOSITION_UNKNOWN, "the id alone is no address"
    other = f"{house.tenant}-third.test"
    await house.order.CreateDomain(directory.CreateDomainRequest(name=other, tenant=house.tenant))
    [resolution] = await house.resolve(f"{local_part}@{other}")
    assert resolution.disposition == directory.DISPOSITION_UNKNOWN


@pytest.mark.parametrize(
    "wrong", [{"owners": []}, {"address": "plus+sign"}, {"address": "a" * 65}, {"name": "x" * 101}]
)
async def test_what_no_list_can_be_is_refused(house: House, wrong: dict[str, Any]) -> None:
    if "address" in wrong:
        wrong = {"address": house.at(wrong["address"])}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await created(house, **{"address": house.at("news"), **wrong})
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_members_come_once_and_go_in_any_case(house: House) -> None:
    made = await created(house)
    assert await add(house, "Ann@far.test", house.at("Bob"), "ann@FAR.test") == 2
    assert await add(house, "ANN@far.test", "carol@far.test") == 1
    request = wire.FindMembersRequest(
        tenant_id=house.tenant_id, list_id=made.list_id, addresses=["aNN@far.test", "x@far.test"]
    )
    assert list((await house.lists.FindMembers(request)).addresses) == ["aNN@far.test"]
    gone = wire.RemoveMembersRequest(list=made.list_id, addresses=["ann@far.test", "x@far.test"])
    assert (await house.lists.RemoveMembers(gone)).removed == 1
    first = await house.lists.ListMembers(wire.ListMembersRequest(list=made.list_id, page_size=1))
    assert list(first.addresses) == [house.at("bob")]
    rest = await house.lists.ListMembers(
        wire.ListMembersRequest(list=made.list_id, page_size=5, page_token=first.next_page_token)
    )
    assert (list(rest.addresses), rest.next_page_token) == (["carol@far.test"], "")


async def test_a_page_never_gets_others_whoever_comes_and_goes(house: House) -> None:
    made = await created(house)
    everybody = [f"m{number}@far.test" for number in range(1200)]
    for start in range(0, 1200, 600):
        assert await add(house, *everybody[start : start + 600]) == 600
    assert await page(house, made, 0) == (0, everybody[:500])
    await house.lists.RemoveMembers(
        wire.RemoveMembersRequest(list=made.list_id, addresses=[everybody[3], *everybody[500:1000]])
    )
    assert await add(house, everybody[3]) == 1
    assert await page(house, made, 0) == (0, everybody[:3] + everybody[4:500])
    # Of the second nobody is left.
    assert await page(house, made, 1) == (2, [*everybody[1000:], everybody[3]])
    assert (await page(house, made, 3))[1] == []


async def test_another_tenant_sees_neither_list_nor_members(house: House) -> None:
    made = await created(house)
    await add(house, "ann@far.test")
    tenant = await house.order.GetTenant(directory.GetTenantRequest(tenant=house.other))
    other = tenant.tenant.tenant_id
    assert (await page(house, made, 0, other))[1] == []
    found = await house.lists.FindLists(wire.FindListsRequest(tenant_id=other, account_ids=[made.list_id]))
    assert not found.lists


async def test_a_list_is_nobodys_postmaster(house: House) -> None:
    await created(house)
    [resolution] = await house.resolve(house.at("postmaster"))
    assert resolution.disposition == directory.DISPOSITION_UNKNOWN


async def test_who_adds_members_at_once_adds_no_more_than_there_may_be(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_MEMBERS", 10)
    await created(house)
    calls = (add(house, *(f"m{part}-{number}@far.test" for number in range(4))) for part in range(6))
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(each for each in done if isinstance(each, int)) == [4, 4]
    [shown] = (await house.lists.ListLists(wire.ListListsRequest(tenant=house.tenant))).lists
    assert shown.members == 8
