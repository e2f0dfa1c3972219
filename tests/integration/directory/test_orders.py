"""The operator's orders over gRPC: what they tell on NATS, what they refuse, what happens at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import nats
import pytest
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as wire
from nats.aio.msg import Msg

from tests.support.engines import Engines

from .conftest import PASSWORD, House


class Listener:
    """What is told on directory.changed, of one tenant."""

    def __init__(self, tenant_id: str) -> None:
        self._tenant_id = tenant_id
        self._heard: asyncio.Queue[wire.DirectoryChanged] = asyncio.Queue()

    async def came(self, message: Msg) -> None:
        change = wire.DirectoryChanged.FromString(message.data)
        if change.tenant_id == self._tenant_id:
            self._heard.put_nowait(change)

    async def next(self) -> wire.DirectoryChanged:
        async with asyncio.timeout(5):
            return await self._heard.get()

    def nothing_more(self) -> bool:
        return self._heard.empty()


@pytest.fixture
async def listener(house: House, engines: Engines) -> AsyncIterator[Listener]:
    client = await nats.connect(engines.nats.url)
    listener = Listener(house.tenant_id)
    await client.subscribe(DIRECTORY_CHANGED, cb=listener.came)
    await client.flush()
    yield listener
    await client.close()


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.details()
    return caught.value.code()


async def test_every_change_is_told_with_what_it_is_about(house: House, listener: Listener) -> None:
    order, address, domain = house.order, house.at("alice"), f"more.{house.domain}"
    heard: list[wire.DirectoryChanged] = []

    async def told(call: Awaitable[object]) -> object:
        answer = await call
        heard.append(await listener.next())
        return answer

    await told(order.UpdateTenant(wire.UpdateTenantRequest(tenant=house.tenant, suspended=False)))
    await told(order.CreateDomain(wire.CreateDomainRequest(name=domain, tenant=house.tenant)))
    await told(order.UpdateDomain(wire.UpdateDomainRequest(name=domain, suspended=True)))
    await told(order.DeleteDomain(wire.DeleteDomainRequest(name=domain)))
    assert [list(each.domains) for each in heard] == [[], [domain], [domain], [domain]]
    heard.clear()
    made = await told(order.CreateAccount(wire.CreateAccountRequest(address=address, password=PASSWORD)))
    assert isinstance(made, wire.CreateAccountResponse)
    await told(order.UpdateAccount(wire.UpdateAccountRequest(account=address, password="another password")))
    await told(
        order.UpdateAccount(wire.UpdateAccountRequest(account=made.account.account_id, suspended=True))
    )
    await told(order.DeleteAccount(wire.DeleteAccountRequest(account=address)))
    assert {(each.account_id, *each.addresses) for each in heard} == {(made.account.account_id, address)}
    heard.clear()
    await told(order.CreateAlias(wire.CreateAliasRequest(address=house.at("team"), targets=["a@b.example"])))
    await told(order.UpdateAlias(wire.UpdateAliasRequest(address=house.at("team"), targets=["c@b.example"])))
    await told(order.DeleteAlias(wire.DeleteAliasRequest(address=house.at("team"))))
    assert {(each.account_id, *each.addresses) for each in heard} == {("", house.at("team"))}
    assert listener.nothing_more()


async def test_what_is_refused_or_read_is_not_told(house: House, listener: Listener) -> None:
    order = house.order
    await house.account(house.at("alice"))
    assert (await listener.next()).addresses == [house.at("alice")]
    await code_of(house.account(house.at("alice")))
    await code_of(order.DeleteDomain(wire.DeleteDomainRequest(name=house.domain)))
    await code_of(order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("alice"), password="short")))
    await order.GetAccount(wire.GetAccountRequest(account=house.at("alice")))
    await order.ListAccounts(wire.ListAccountsRequest(tenant=house.tenant))
    # What is told comes in order: were there anything of these, it would come first.
    await order.UpdateDomain(wire.UpdateDomainRequest(name=house.domain, suspended=False))
    assert (await listener.next()).domains == [house.domain]
    assert listener.nothing_more()


Refused = Callable[[House], Awaitable[object]]
REFUSALS: dict[str, tuple[grpc.StatusCode, Refused]] = {
    "a tenant twice": (
        grpc.StatusCode.ALREADY_EXISTS,
        lambda house: house.order.CreateTenant(wire.CreateTenantRequest(name=house.tenant)),
    ),
    "a domain that is another tenant's": (
        grpc.StatusCode.ALREADY_EXISTS,
        lambda house: house.order.CreateDomain(
            wire.CreateDomainRequest(name=house.domain.upper() + ".", tenant=house.other)
        ),
    ),
    "an address that is an alias": (
        grpc.StatusCode.ALREADY_EXISTS,
        lambda house: house.account(house.at("Team")),
    ),
    "an alias that is an address": (
        grpc.StatusCode.ALREADY_EXISTS,
        lambda house: house.alias(house.at("ALICE"), "a@b.example"),
    ),
    "a domain of no tenant": (
        grpc.StatusCode.NOT_FOUND,
        lambda house: house.order.CreateDomain(wire.CreateDomainRequest(name="a.example", tenant="nobody")),
    ),
    "an account in no domain": (grpc.StatusCode.NOT_FOUND, lambda house: house.account("a@nowhere.example")),
    "an alias in no domain": (
        grpc.StatusCode.NOT_FOUND,
        lambda house: house.alias("a@nowhere.example", "a@b.example"),
    ),
    "an alias as an account": (
        grpc.StatusCode.NOT_FOUND,
        lambda house: house.order.GetAccount(wire.GetAccountRequest(account=house.at("team"))),
    ),
    "an account as an alias": (
        grpc.StatusCode.NOT_FOUND,
        lambda house: house.order.DeleteAlias(wire.DeleteAliasRequest(address=house.at("alice"))),
    ),
    "a tenant with domains": (
        grpc.StatusCode.FAILED_PRECONDITION,
        lambda house: house.order.DeleteTenant(wire.DeleteTenantRequest(tenant=house.tenant)),
    ),
    "a domain with accounts": (
        grpc.StatusCode.FAILED_PRECONDITION,
        lambda house: house.order.DeleteDomain(wire.DeleteDomainRequest(name=house.domain)),
    ),
    "an alias without targets": (grpc.StatusCode.INVALID_ARGUMENT, lambda house: house.alias(house.at("x"))),
    "an alias to what is no address": (
        grpc.StatusCode.INVALID_ARGUMENT,
        lambda house: house.alias(house.at("x"), "a@b.example", "a@b.example\r\nBcc: c@d.example"),
    ),
    "a NUL where a list begins": (
        grpc.StatusCode.INVALID_ARGUMENT,
        lambda house: house.order.ListAccounts(wire.ListAccountsRequest(page_token="a\0@b")),
    ),
    "a long display name": (
        grpc.StatusCode.INVALID_ARGUMENT,
        lambda house: house.order.UpdateTenant(
            wire.UpdateTenantRequest(tenant=house.tenant, display_name="x" * 201)
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_refusals_have_their_code_and_change_nothing(house: House, name: str) -> None:
    code, call = REFUSALS[name]
    await house.account(house.at("alice"))
    await house.alias(house.at("team"), house.at("alice"))
    assert await code_of(call(house)) is code
    found = await house.resolve(house.at("alice"), house.at("team"))
    assert [target.address for each in found for target in each.targets] == [house.at("alice")] * 2


async def test_two_orders_at_once_have_one_winner(house: House) -> None:
    accounts = [house.account(house.at("alice"), f"password {number}") for number in range(4)]
    aliases = [house.alias(house.at("alice"), "a@b.example") for _ in range(4)]
    answers = await asyncio.gather(*accounts, *aliases, return_exceptions=True)
    codes = [each.code() for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    assert codes == [grpc.StatusCode.ALREADY_EXISTS] * 7


async def test_targets_replaced_at_once_are_those_of_one_order(house: House) -> None:
    await house.alias(house.at("team"), "first@b.example")

    async def replace(number: int) -> None:
        targets = [f"{number}-{n}@b.example" for n in range(3)]
        await house.order.UpdateAlias(wire.UpdateAliasRequest(address=house.at("team"), targets=targets))

    await asyncio.gather(*(replace(number) for number in range(8)))
    alias = (await house.order.GetAlias(wire.GetAliasRequest(address=house.at("team")))).alias
    assert len({target.partition("-")[0] for target in alias.targets}) == 1
    assert [target.partition("-")[2] for target in alias.targets] == [f"{n}@b.example" for n in range(3)]


async def test_targets_are_kept_as_written_and_ours_in_our_form(house: House) -> None:
    """RFC 5321 §2.4: case before the @ is the other side's to read."""
    alice = await house.account(house.at("alice"))
    domain = house.domain.upper()
    made = await house.alias(
        house.at("team"),
        f"Alice@{domain}",
        "J.Doe@Elsewhere.EXAMPLE",
        "j.doe@elsewhere.example",
        house.at("alice"),
    )
    assert list(made.targets) == [house.at("alice"), "J.Doe@elsewhere.example", "j.doe@elsewhere.example"]
    [found] = await house.resolve(house.at("team"))
    assert [(each.address, each.account_id) for each in found.targets] == [
        (house.at("alice"), alice.account_id),
        ("J.Doe@elsewhere.example", ""),
        ("j.doe@elsewhere.example", ""),
    ]


async def test_an_account_is_found_by_any_spelling_and_by_its_id(house: House) -> None:
    name = f"bücher-{house.tenant}.example"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=name, tenant=house.tenant))
    made = await house.account(f"Alice@{name.upper()}")
    assert made.address.startswith("alice@xn--")
    for spelling in (made.address, f"ALICE@{name}", made.account_id):
        found = await house.order.GetAccount(wire.GetAccountRequest(account=spelling))
        assert found.account == made


async def test_lists_come_in_pages_without_gaps(house: House) -> None:
    for number in range(7):
        await house.account(house.at(f"a{number}"))
        await house.alias(house.at(f"b{number}"), house.at("a0"))
    accounts: list[str] = []
    aliases: list[str] = []
    token = ""
    while True:
        page = await house.order.ListAccounts(
            wire.ListAccountsRequest(tenant=house.tenant, page_size=3, page_token=token)
        )
        accounts += [each.address for each in page.accounts]
        if not (token := page.next_page_token):
            break
    while True:
        part = await house.order.ListAliases(
            wire.ListAliasesRequest(domain=house.domain, page_size=3, page_token=token)
        )
        aliases += [each.address for each in part.aliases]
        if not (token := part.next_page_token):
            break
    assert accounts == [house.at(f"a{number}") for number in range(7)]
    assert aliases == [house.at(f"b{number}") for number in range(7)]
