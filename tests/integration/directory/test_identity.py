"""Who somebody is, over gRPC: several addresses, delegates, deleted accounts, domain aliases and catch-alls."""

from collections.abc import Awaitable

import grpc
import pytest
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1 import identity_pb2 as identity
from mailwire.directory.v1 import lists_pb2 as lists
from mailwire.directory.v1 import sharing_pb2 as sharing

from .conftest import PASSWORD, House
from .test_questions import DELIVER, DENIED, DISABLED, LOOP, REMOTE, UNKNOWN, places

AS, ON_BEHALF = identity.DELEGATE_RIGHT_SEND_AS, identity.DELEGATE_RIGHT_SEND_ON_BEHALF


async def refused(call: Awaitable[object]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def add(house: House, account: str, address: str, **more: bool) -> None:
    await house.identity.AddAddress(identity.AddAddressRequest(account=account, address=address, **more))


async def domain(house: House, name: str, tenant: str = "") -> str:
    name = f"{name}.{house.domain}"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=name, tenant=tenant or house.tenant))
    return name


async def route(house: House, name: str, alias_of: str = "", catch_all: tuple[str, ...] = ()) -> None:
    routing = identity.DomainRouting(alias_of=alias_of, catch_all=catch_all)
    await house.identity.SetDomainRouting(identity.SetDomainRoutingRequest(name=name, routing=routing))


async def test_an_account_has_mail_and_logins_by_all_its_addresses(house: House) -> None:
    alice = await house.account(house.at("alice"))
    await add(house, house.at("alice"), house.at("A.Smith"))
    await add(house, alice.account_id, house.at("smith"))
    for name in ("alice", "a.smith", "smith", "smith+shop"):
        [found] = await house.resolve(house.at(name))
        assert places(found) == [(house.at("alice"), alice.account_id)]
    assert (await house.log_in(house.at("smith"))).identity.address == house.at("alice")
    made = await house.identity.MakeAddressPrimary(
        identity.MakeAddressPrimaryRequest(account=house.at("smith"), address=house.at("smith"))
    )
    assert (made.account.account_id, made.account.address) == (alice.account_id, house.at("smith"))
    listed = await house.identity.ListAddresses(identity.ListAddressesRequest(account=alice.account_id))
    assert [(each.address, each.primary) for each in listed.addresses] == [
        (house.at("smith"), True),
        (house.at("a.smith"), False),
        (house.at("alice"), False),
    ]
    remove = identity.RemoveAddressRequest(account=alice.account_id, address=house.at("alice"))
    await house.identity.RemoveAddress(remove)
    assert (await house.resolve(house.at("alice")))[0].disposition == UNKNOWN
    assert not (await house.log_in(house.at("alice"))).granted
    assert await refused(house.identity.RemoveAddress(remove)) is grpc.StatusCode.NOT_FOUND
    primary = identity.RemoveAddressRequest(account=alice.account_id, address=house.at("smith"))
    assert await refused(house.identity.RemoveAddress(primary)) is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_address_is_one_accounts_and_of_its_tenants_domains(house: House) -> None:
    await house.account(house.at("alice"))
    await house.account(house.at("bob"))
    theirs = await domain(house, "theirs", house.other)
    taken = identity.AddAddressRequest(account=house.at("alice"), address=house.at("bob"))
    assert await refused(house.identity.AddAddress(taken)) is grpc.StatusCode.ALREADY_EXISTS
    for address in (f"alice@{theirs}", "alice@elsewhere.example"):
        foreign = identity.AddAddressRequest(account=house.at("alice"), address=address)
        assert await refused(house.identity.AddAddress(foreign)) is grpc.StatusCode.NOT_FOUND
    not_its = identity.MakeAddressPrimaryRequest(account=house.at("alice"), address=house.at("bob"))
    assert await refused(house.identity.MakeAddressPrimary(not_its)) is grpc.StatusCode.NOT_FOUND
    assert (await house.log_in(house.at("alice"))).identity.address == house.at("alice")


async def test_an_address_that_looks_like_another_is_refused_unless_it_is_wanted(house: House) -> None:
    await house.account(house.at("paypal"))
    for name in ("paypa1", "PAYPA1", "paypa|"):
        request = wire.CreateAccountRequest(address=house.at(name), password=PASSWORD)
        assert await refused(house.order.CreateAccount(request)) is grpc.StatusCode.ALREADY_EXISTS
        alias = wire.CreateAliasRequest(address=house.at(name), targets=[house.at("paypal")])
        assert await refused(house.order.CreateAlias(alias)) is grpc.StatusCode.ALREADY_EXISTS
        more = identity.AddAddressRequest(account=house.at("paypal"), address=house.at(name))
        assert await refused(house.identity.AddAddress(more)) is grpc.StatusCode.ALREADY_EXISTS
    wanted = wire.CreateAccountRequest(address=house.at("paypa1"), password=PASSWORD, even_if_confusable=True)
    assert (await house.order.CreateAccount(wanted)).account.address == house.at("paypa1")


async def test_lists_shared_mailboxes_and_domains_that_look_like_others_are_refused_too(house: House) -> None:
    await house.account(house.at("paypal"))
    like = house.at("paypa1")
    shared = sharing.CreateSharedAccountRequest(address=like)
    assert await refused(house.sharing.CreateSharedAccount(shared)) is grpc.StatusCode.ALREADY_EXISTS
    new_list = lists.CreateListRequest(address=like, owners=[house.at("paypal")])
    assert await refused(house.lists.CreateList(new_list)) is grpc.StatusCode.ALREADY_EXISTS
    shared.even_if_confusable = new_list.even_if_confusable = True
    made = await house.sharing.CreateSharedAccount(shared)
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=made.account.account_id))
    assert (await house.lists.CreateList(new_list)).list.address == like
    # A domain is compared with those of all tenants, in the letters that people see.
    await domain(house, "pay")
    for name in ("\u0440\u0430\u0443", "p\u0430y"):
        with pytest.raises(grpc.aio.AioRpcError):
            await domain(house, name, house.other)
    wanted = wire.CreateDomainRequest(name=f"\u0440\u0430\u0443.{house.domain}", tenant=house.other)
    assert await refused(house.order.CreateDomain(wanted)) is grpc.StatusCode.ALREADY_EXISTS
    wanted.even_if_confusable = True
    assert (await house.order.CreateDomain(wanted)).domain.name.startswith("xn--")
    # Latin and Cyrillic letters in one word are nobody's wish.
    wanted.name = f"p\u0430y.{house.domain}"
    assert await refused(house.order.CreateDomain(wanted)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_names_in_any_script_have_one_form(house: House) -> None:
    made = await house.account(house.at("J\u00dcRGEN"))
    assert made.address == house.at("j\u00fcrgen")
    for written in ("j\u00fcrgen", "ju\u0308rgen", "JU\u0308RGEN", "j\u00fcrgen+x"):
        [found] = await house.resolve(house.at(written))
        assert places(found) == [(made.address, made.account_id)], written
    assert (await house.log_in(house.at("Ju\u0308rgen"))).granted
    for bad in ("j\u00fc rgen", "\u2603", "a\u202eb\u00fc", "\u05d0a\u05d1", "\u00fc" * 33, ".\u00fc"):
        request = wire.CreateAccountRequest(address=house.at(bad), password=PASSWORD)
        assert await refused(house.order.CreateAccount(request)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_delegates_are_told_with_the_login_until_they_are_no_more(house: House) -> None:
    await house.account(house.at("boss"))
    await house.account(house.at("aide"))
    await house.alias(house.at("office"), house.at("boss"))
    for name, right in (("boss", ON_BEHALF), ("office", AS)):
        await house.identity.AllowDelegate(
            identity.AllowDelegateRequest(address=house.at(name), delegate=house.at("aide"), right=right)
        )
    who = (await house.log_in(house.at("aide"))).identity
    assert list(who.may_send_as) == [house.at("office")]
    assert list(who.may_send_on_behalf_of) == [house.at("boss")]
    assert list((await house.log_in(house.at("boss"))).identity.may_send_as) == []
    # The last word counts.
    await house.identity.AllowDelegate(
        identity.AllowDelegateRequest(address=house.at("boss"), delegate=house.at("aide"), right=AS)
    )
    listed = await house.identity.ListDelegations(identity.ListDelegationsRequest(address=house.at("boss")))
    assert [(each.delegate, each.right) for each in listed.delegations] == [(house.at("aide"), AS)]
    await house.identity.RevokeDelegate(
        identity.RevokeDelegateRequest(address=house.at("boss"), delegate=house.at("aide"))
    )
    await house.order.DeleteAlias(wire.DeleteAliasRequest(address=house.at("office")))
    who = (await house.log_in(house.at("aide"))).identity
    assert (list(who.may_send_as), list(who.may_send_on_behalf_of)) == ([], [])


async def test_nobody_sends_for_an_address_of_another_tenant(house: House) -> None:
    await house.account(house.at("aide"))
    theirs = await domain(house, "theirs", house.other)
    await house.account(f"boss@{theirs}")
    for address in (f"boss@{theirs}", house.at("nobody"), "x@elsewhere.example"):
        request = identity.AllowDelegateRequest(address=address, delegate=house.at("aide"), right=AS)
        assert await refused(house.identity.AllowDelegate(request)) is grpc.StatusCode.NOT_FOUND


async def test_a_deleted_account_is_nobody_and_comes_back_as_it_was(house: House) -> None:
    alice = await house.account(house.at("alice"))
    await add(house, house.at("alice"), house.at("smith"))
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=house.at("smith")))
    for name in ("alice", "smith"):
        assert (await house.resolve(house.at(name)))[0].disposition == UNKNOWN
        assert await house.log_in(house.at(name)) == DENIED
    get = wire.GetAccountRequest(account=alice.account_id)
    assert await refused(house.order.GetAccount(get)) is grpc.StatusCode.NOT_FOUND
    [deleted] = (
        await house.identity.ListDeletedAccounts(identity.ListDeletedAccountsRequest(tenant=house.tenant))
    ).accounts
    assert (deleted.account_id, list(deleted.addresses)) == (
        alice.account_id,
        [house.at("alice"), house.at("smith")],
    )
    assert deleted.kept_until.seconds - deleted.deleted_at.seconds == 30 * 86_400
    # Somebody else has one of the addresses meanwhile: all or nothing.
    await house.account(house.at("smith"))
    restore = identity.RestoreAccountRequest(account_id=alice.account_id)
    assert await refused(house.identity.RestoreAccount(restore)) is grpc.StatusCode.ALREADY_EXISTS
    assert (await house.resolve(house.at("alice")))[0].disposition == UNKNOWN
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=house.at("smith")))
    back = (await house.identity.RestoreAccount(restore)).account
    assert (back.account_id, back.address) == (alice.account_id, house.at("alice"))
    assert (await house.log_in(house.at("smith"))).identity.account_id == alice.account_id
    assert await refused(house.identity.RestoreAccount(restore)) is grpc.StatusCode.NOT_FOUND


async def removed(house: House) -> list[str]:
    answer = await house.removal.ListRemovedAccounts(identity.ListRemovedAccountsRequest(page_size=1000))
    return [each.account_id for each in answer.accounts if each.tenant_id == house.tenant_id]


async def test_after_its_days_it_is_removed_and_that_is_told_until_it_is_settled(house: House) -> None:
    alice, bob = await house.account(house.at("alice")), await house.account(house.at("bob"))
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=alice.account_id))
    house.clock.advance(29.9 * 86_400)
    await house.housekeeping.once()
    assert await removed(house) == []
    house.clock.advance(0.2 * 86_400)
    await house.housekeeping.once()
    await house.housekeeping.once()
    assert await removed(house) == [alice.account_id]
    restore = identity.RestoreAccountRequest(account_id=alice.account_id)
    assert await refused(house.identity.RestoreAccount(restore)) is grpc.StatusCode.NOT_FOUND
    # The operator need not wait, and nobody is removed who was not deleted.
    now = identity.RemoveDeletedAccountRequest(account_id=bob.account_id)
    assert await refused(house.identity.RemoveDeletedAccount(now)) is grpc.StatusCode.NOT_FOUND
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=bob.account_id))
    await house.identity.RemoveDeletedAccount(now)
    assert sorted(await removed(house)) == sorted([alice.account_id, bob.account_id])
    await house.removal.SettleRemovedAccounts(
        identity.SettleRemovedAccountsRequest(account_ids=[alice.account_id])
    )
    assert await removed(house) == [bob.account_id]


async def test_a_tenant_that_goes_takes_what_it_deleted_with_it(house: House) -> None:
    alice = await house.account(house.at("alice"))
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=alice.account_id))
    await house.order.DeleteDomain(wire.DeleteDomainRequest(name=house.domain))
    await house.order.DeleteTenant(wire.DeleteTenantRequest(tenant=house.tenant))
    assert await removed(house) == [alice.account_id]


async def test_whoever_has_an_address_in_a_domain_has_it_in_its_aliases(house: House) -> None:
    alice = await house.account(house.at("alice"))
    other = await domain(house, "brand")
    own = await house.account(f"bob@{other}")
    await house.alias(house.at("team"), house.at("alice"), house.at("nobody"))
    await house.account(house.at("bob"))
    await route(house, other, alias_of=house.domain)
    found = await house.resolve(
        f"alice@{other}", f"team@{other}", f"alice+x@{other}", f"bob@{other}", f"nobody@{other}"
    )
    assert [each.disposition for each in found] == [DELIVER] * 4 + [UNKNOWN]
    assert [places(each) for each in found[:3]] == [[(house.at("alice"), alice.account_id)]] * 3
    # What it has itself goes first.
    assert places(found[3]) == [(f"bob@{other}", own.account_id)]
    assert (await house.log_in(f"alice@{other}")).identity.account_id == alice.account_id
    assert (await house.log_in(f"bob@{other}")).identity.account_id == own.account_id
    # Suspending either domain stops what comes by way of it.
    for name in (house.domain, other):
        await house.order.UpdateDomain(wire.UpdateDomainRequest(name=name, suspended=True))
        assert (await house.resolve(f"alice@{other}"))[0].disposition == DISABLED
        assert not (await house.log_in(f"alice@{other}")).granted
        await house.order.UpdateDomain(wire.UpdateDomainRequest(name=name, suspended=False))
    assert (await house.log_in(f"alice@{other}")).granted
    await route(house, other)
    assert (await house.resolve(f"alice@{other}"))[0].disposition == UNKNOWN
    assert not (await house.log_in(f"alice@{other}")).granted


async def test_a_domain_alias_is_no_chain_and_leads_to_no_other_tenant(house: House) -> None:
    first, second = await domain(house, "first"), await domain(house, "second")
    theirs = await domain(house, "theirs", house.other)
    await route(house, first, alias_of=house.domain)
    code = grpc.StatusCode
    for name, target, expected in (
        (second, first, code.FAILED_PRECONDITION),
        (house.domain, second, code.FAILED_PRECONDITION),
        (second, second, code.FAILED_PRECONDITION),
        (second, theirs, code.NOT_FOUND),
        (second, "elsewhere.example", code.NOT_FOUND),
    ):
        assert await refused(route(house, name, alias_of=target)) is expected
    # What others are aliases of stays.
    delete = wire.DeleteDomainRequest(name=house.domain)
    assert await refused(house.order.DeleteDomain(delete)) is code.FAILED_PRECONDITION


async def test_a_catch_all_has_what_is_for_nobody_else(house: House) -> None:
    alice = await house.account(house.at("alice"))
    await house.alias(house.at("loop"), house.at("loops"))
    await route(house, house.domain, catch_all=(house.at("ALICE"), "Archive@elsewhere.example"))
    both = [(house.at("alice"), alice.account_id), ("Archive@elsewhere.example", "")]
    found = await house.resolve(
        house.at("nobody"), house.at("alice+x"), house.at("loop"), "x@elsewhere.example"
    )
    assert [each.disposition for each in found] == [DELIVER, DELIVER, DELIVER, REMOTE]
    assert places(found[0]) == places(found[2]) == both
    assert places(found[1]) == both[:1]
    shown = await house.identity.GetDomainRouting(identity.GetDomainRoutingRequest(name=house.domain))
    assert list(shown.routing.catch_all) == [house.at("alice"), "Archive@elsewhere.example"]
    # Nobody logs in that way, and one that leads to itself is a loop.
    assert await house.log_in(house.at("nobody")) == DENIED
    await route(house, house.domain, catch_all=(house.at("nowhere"),))
    assert (await house.resolve(house.at("nobody")))[0].disposition == LOOP
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("alice"), suspended=True))
