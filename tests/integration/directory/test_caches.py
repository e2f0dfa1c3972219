"""What a door remembers of the real directory, while tenants change things: never what holds no more, and others' not at all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import grpc
import pytest
from directoryclient import DirectoryClient, Disposition
from directoryclient.policies import TenantPolicies
from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1 import policy_pb2 as policy

from tests.support.engines import Engines

from .conftest import PASSWORD, House


class Counting:
    """The directory, and how often it was asked."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.asked: list[str] = []

    def __getattr__(self, method: str) -> Any:
        async def ask(request: Any, timeout: float) -> Any:
            self.asked += getattr(request, "addresses", None) or [method]
            service = self._house.policies if method.endswith(("Policy", "Settings")) else self._house.ask
            return await getattr(service, method)(request, timeout=timeout)

        return ask


class Door:
    def __init__(self, house: House, channel: grpc.aio.Channel, bus: EventBus) -> None:
        self._house = house
        self.stub = Counting(house)
        self.client = DirectoryClient(channel, door="imap", hears_changes=lambda: bus.connected)
        self.policies = TenantPolicies(channel, hears_changes=lambda: bus.connected)
        cast(Any, self.client)._stub = cast(Any, self.policies)._stub = self.stub
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def changed(self, subject: str, payload: bytes) -> None:
        self.client.changed(subject, payload)
        self.policies.changed(subject, payload)
        self.heard.put_nowait(payload)

    async def after(self, method: str, **order: Any) -> Any:
        """An order, each of which tells one change, and that was heard."""
        answer = await getattr(self._house.order, method)(getattr(wire, f"{method}Request")(**order))
        await self.hear()
        return answer

    async def hear(self) -> wire.DirectoryChanged:
        async with asyncio.timeout(10):
            return wire.DirectoryChanged.FromString(await self.heard.get())

    async def goes_to(self, address: str) -> tuple[Disposition, Sequence[str]]:
        """Asked twice: the second time it is remembered, and the same."""
        first = await self.client.resolve([address])
        before = len(self.stub.asked)
        assert (await self.client.resolve([address]), len(self.stub.asked)) == (first, before)
        return first[0].disposition, [each.address for each in first[0].targets]


@pytest.fixture
async def door(house: House, engines: Engines) -> AsyncIterator[Door]:
    bus = await EventBus.connect(engines.nats.url, name="directory")
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    door = Door(house, channel, bus)
    await bus.listen(DIRECTORY_CHANGED, door.changed)
    # The server knows of the listener once something came back to it; what was told before this domain came is past then.
    bus.tell(DIRECTORY_CHANGED, b"")
    await door.hear()
    first = f"first.{house.domain}"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=first, tenant=house.tenant))
    while first not in (await door.hear()).domains:
        pass
    yield door
    await channel.close(None)
    await bus.close()


async def test_an_alias_into_another_tenant_follows_the_changes_of_both(house: House, door: Door) -> None:
    theirs, later = f"b.{house.domain}", f"later.{house.domain}"
    bob = f"bob@{theirs}"
    deliver, alice = Disposition.DELIVER, house.at("alice")
    await door.after("CreateAccount", address=alice, password=PASSWORD)
    await door.after("CreateAlias", address=house.at("all"), targets=[alice, bob])
    assert await door.goes_to(house.at("all")) == (deliver, [alice, bob]), "their domain is not here"
    await door.after("CreateDomain", name=theirs, tenant=house.other)
    assert await door.goes_to(house.at("all")) == (deliver, [alice])
    await door.after("CreateAccount", address=bob, password=PASSWORD)
    assert await door.goes_to(house.at("all")) == (deliver, [alice, bob])
    for level, named in (
        ("Account", {"account": bob}),
        ("Domain", {"name": theirs}),
        ("Tenant", {"tenant": house.other}),
    ):
        await door.after(f"Update{level}", **named, suspended=True)
        assert await door.goes_to(house.at("all")) == (deliver, [alice])
        await door.after(f"Update{level}", **named, suspended=False)
        assert await door.goes_to(house.at("all")) == (deliver, [alice, bob])
    # The road leads through their tenant and out of it.
    await door.after("DeleteAccount", account=bob)
    await door.after("CreateAlias", address=bob, targets=[alice])
    assert await door.goes_to(house.at("all")) == (deliver, [alice])
    await door.after("UpdateAlias", address=bob, targets=[f"x@{later}"])
    assert await door.goes_to(house.at("all")) == (deliver, [alice, f"x@{later}"])
    await door.after("CreateDomain", name=later, tenant=house.tenant)
    assert await door.goes_to(house.at("all")) == (deliver, [alice])


async def test_an_address_that_moves_to_another_tenant_is_that_tenants(house: House, door: Door) -> None:
    moving = f"moving.{house.domain}"
    address = f"alice@{moving}"

    async def whose() -> str:
        who = await door.client.authenticate(address, PASSWORD, "192.0.2.1")
        return "" if who is None else who.account.tenant_id

    other = (await house.order.GetTenant(wire.GetTenantRequest(tenant=house.other))).tenant.tenant_id
    for tenant in (house.tenant, house.other):
        assert (await door.goes_to(address))[0] is Disposition.REMOTE
        await door.after("CreateDomain", name=moving, tenant=tenant)
        assert (await door.goes_to(address))[0] is Disposition.UNKNOWN
        assert await whose() == ""
        await door.after("CreateAccount", address=address, password=PASSWORD)
        assert (await door.goes_to(address))[0] is Disposition.DELIVER
        assert await whose() == await whose() == (house.tenant_id if tenant == house.tenant else other)
        await door.after("DeleteAccount", account=address)
        assert await whose() == ""
        await door.after("DeleteDomain", name=moving)


async def test_what_a_tenant_changes_in_a_loop_costs_others_no_answer(house: House, door: Door) -> None:
    theirs = f"b.{house.domain}"
    alice, bob = house.at("alice"), f"bob@{theirs}"
    await door.after("CreateDomain", name=theirs, tenant=house.other)
    created = await door.after("CreateAccount", address=alice, password=PASSWORD)
    await door.after("CreateAccount", address=bob, password=PASSWORD)

    async def everything() -> list[str]:
        door.stub.asked.clear()
        await door.client.resolve([alice, house.at("nobody")])
        await door.client.authenticate(alice, PASSWORD, "192.0.2.1")
        await door.policies.of(house.tenant_id)
        await door.policies.of_account(created.account.account_id)
        return door.stub.asked

    asked = [alice, house.at("nobody"), "Authenticate", "GetTenantPolicy", "GetAccountSettings"]
    assert await everything() == asked
    for number in range(5):
        await door.after("UpdateAccount", account=bob, display_name=f"Bob {number}")
        await door.after("UpdateDomain", name=theirs, suspended=number % 2 == 0)
        await door.after("UpdateTenant", tenant=house.other, display_name=f"B {number}")
        chosen = policy.SetTenantPolicyRequest(
            tenant=house.other, policy=policy.TenantPolicy(greylisting=number % 2 == 0)
        )
        await house.policies.SetTenantPolicy(chosen)
        await door.hear()
        assert await everything() == []
    await door.after("UpdateTenant", tenant=house.tenant, display_name="A")
    assert await everything() == asked
