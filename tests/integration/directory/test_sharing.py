"""What those who share mailboxes may know of each other, over gRPC, and within the tenant only."""

from typing import Any, cast
from uuid import uuid4

import grpc
import pytest
from directoryclient.sharing import People
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import sharing_pb2 as wire

from .conftest import PASSWORD, House


async def described(house: House, *names: str, tenant_id: str = "") -> list[wire.AccountDescription]:
    request = wire.DescribeAccountsRequest(
        tenant_id=tenant_id or house.tenant_id,
        account_ids=[name for name in names if "@" not in name],
        addresses=[name for name in names if "@" in name],
    )
    return list((await house.sharing.DescribeAccounts(request)).accounts)


async def shared(house: House, address: str) -> directory.Account:
    request = wire.CreateSharedAccountRequest(address=address, display_name="Team")
    account: directory.Account = (await house.sharing.CreateSharedAccount(request)).account
    return account


async def test_names_and_groups(house: House) -> None:
    alice = await house.account(house.at("alice"))
    for name, targets in (("team", ["alice", "bob"]), ("all", ["team"]), ("others", ["bob"])):
        request = directory.CreateAliasRequest(address=house.at(name), targets=[house.at(t) for t in targets])
        await house.order.CreateAlias(request)
    [found] = await described(house, alice.account_id)
    assert (found.address, found.shared, list(found.groups)) == (alice.address, False, [house.at("team")])
    assert await described(house, house.at("Alice").upper()) == [found]
    assert await described(house, house.at("team"), "nonsense", str(uuid4()), house.at("nobody")) == []


async def test_another_tenant_learns_nothing(house: House) -> None:
    alice = await house.account(house.at("alice"))
    other = (await house.order.GetTenant(directory.GetTenantRequest(tenant=house.other))).tenant
    assert await described(house, alice.account_id, alice.address, tenant_id=other.tenant_id) == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await described(house, alice.account_id, tenant_id="operator")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_shared_account_gets_mail_and_lets_nobody_in(house: House) -> None:
    team = await shared(house, house.at("team"))
    assert team.shared
    [found] = await described(house, team.account_id)
    assert found.shared
    resolved = await house.ask.ResolveRecipients(
        directory.ResolveRecipientsRequest(addresses=[house.at("team")])
    )
    assert [target.account_id for target in resolved.resolutions[0].targets] == [team.account_id]
    for password in ("", PASSWORD):
        answer = await house.ask.Authenticate(
            directory.AuthenticateRequest(login=team.address, password=password, door="imap")
        )
        assert not answer.granted
    request = directory.UpdateAccountRequest(account=team.address, password=PASSWORD)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.order.UpdateAccount(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as taken:
        await shared(house, house.at("team"))
    assert taken.value.code() is grpc.StatusCode.ALREADY_EXISTS
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await shared(house, "team@nowhere.test")
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


class Counting:
    """Counts the questions."""

    def __init__(self, stub: Any) -> None:
        self.stub = stub
        self.asked = 0

    async def DescribeAccounts(self, request: object, timeout: float) -> object:
        self.asked += 1
        return await self.stub.DescribeAccounts(request, timeout=timeout)


async def test_the_client_remembers_until_something_changes(house: House) -> None:
    alice = await house.account(house.at("alice"))
    hears = True
    people = People(grpc.aio.insecure_channel("127.0.0.1:1"), hears_changes=lambda: hears)
    counting = Counting(house.sharing)
    cast(Any, people)._stub = counting
    for _ in range(2):
        found = await people.by_id(house.tenant_id, [alice.account_id])
        assert found[alice.account_id].address == alice.address
        assert await people.by_address(house.tenant_id, house.at("nobody")) is None
    assert counting.asked == 2
    people.changed("", b"")
    assert await people.by_address(house.tenant_id, alice.address.upper()) is not None
    hears = False
    await people.by_address(house.tenant_id, alice.address)
    await people.by_address(house.tenant_id, alice.address)
    assert counting.asked == 5
