"""The questions of the mail services over gRPC: where does this mail go, and is this password right?"""

import grpc
import pytest
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire

from tests.support.engines import Engines

from .conftest import PASSWORD, House, opened

DELIVER, REMOTE = wire.DISPOSITION_DELIVER, wire.DISPOSITION_REMOTE
UNKNOWN, DISABLED, LOOP = wire.DISPOSITION_UNKNOWN, wire.DISPOSITION_DISABLED, wire.DISPOSITION_LOOP

DENIED = wire.AuthenticateResponse(verdict=wire.VERDICT_DENIED)


def places(resolution: wire.Resolution) -> list[tuple[str, str]]:
    return [(target.address, target.account_id) for target in resolution.targets]


async def test_local_unknown_and_remote_recipients(house: House) -> None:
    alice = await house.account(house.at("alice"))
    found = await house.resolve(
        house.at("ALICE").upper(),
        house.at("nobody"),
        "x@elsewhere.example",
        "alice",
        f'"alice"@{house.domain}',
    )
    assert [each.disposition for each in found] == [DELIVER, UNKNOWN, REMOTE, REMOTE, DELIVER]
    assert places(found[0]) == places(found[4]) == [(house.at("alice"), alice.account_id)]
    assert found[0].targets[0].tenant_id == house.tenant_id


async def test_a_subaddress_goes_to_the_account_and_an_own_address_comes_first(house: House) -> None:
    alice = await house.account(house.at("alice"))
    bob = await house.account(house.at("alice+bob"))
    await house.alias(house.at("team"), house.at("alice+team"))
    found = await house.resolve(
        *(house.at("alice+shop"), house.at("Alice+a+b"), house.at("alice+bob"), house.at("team+x")),
        *(house.at("nobody+x"), house.at("+x")),
    )
    assert [each.disposition for each in found] == [DELIVER, DELIVER, DELIVER, DELIVER, UNKNOWN, UNKNOWN]
    for number in (0, 1, 3):
        assert places(found[number]) == [(house.at("alice"), alice.account_id)]
    assert places(found[2]) == [(house.at("alice+bob"), bob.account_id)]


async def test_a_chain_of_aliases_ends_at_accounts_and_in_the_world(house: House) -> None:
    alice, bob = await house.account(house.at("alice")), await house.account(house.at("bob"))
    await house.alias(house.at("all"), house.at("team"), house.at("bob"))
    await house.alias(house.at("team"), house.at("alice"), "far@elsewhere.example", house.at("gone"))
    [found] = await house.resolve(house.at("all"))
    assert found.disposition == DELIVER
    assert places(found) == [
        (house.at("alice"), alice.account_id),
        ("far@elsewhere.example", ""),
        (house.at("bob"), bob.account_id),
    ]
    assert {target.tenant_id for target in found.targets} == {house.tenant_id}


async def test_loops_are_guarded_and_an_alias_to_nobody_is_unknown(house: House) -> None:
    await house.account(house.at("alice"))
    await house.alias(house.at("self"), house.at("self"))
    await house.alias(house.at("x"), house.at("y"))
    await house.alias(house.at("y"), house.at("x"))
    await house.alias(house.at("beside"), house.at("x"), house.at("alice"))
    await house.alias(house.at("empty"), house.at("nobody"))
    for number in range(12):
        await house.alias(house.at(f"n{number}"), house.at(f"n{number + 1}"))
    await house.account(house.at("n12"))
    found = await house.resolve(*(house.at(name) for name in ("self", "x", "beside", "empty", "n0", "n6")))
    assert [each.disposition for each in found] == [LOOP, LOOP, DELIVER, UNKNOWN, LOOP, DELIVER]
    assert [address for address, _ in places(found[2])] == [house.at("alice")]


async def test_postmaster_is_somebody_in_every_domain(house: House) -> None:
    """RFC 5321 §4.5.1."""
    [before] = await house.resolve(house.at("postmaster"))
    alice = await house.account(house.at("alice"))
    await house.account(house.at("bob"))
    [oldest] = await house.resolve(house.at("PostMaster"))
    named = await house.account(house.at("postmaster"))
    [own] = await house.resolve(house.at("postmaster"))
    assert before.disposition == UNKNOWN
    assert places(oldest) == [(house.at("alice"), alice.account_id)]
    assert places(own) == [(house.at("postmaster"), named.account_id)]


@pytest.mark.parametrize("level", ["tenant", "domain", "account"])
async def test_suspended_gets_no_mail_and_cannot_log_in_until_restored(house: House, level: str) -> None:
    address = house.at("alice")
    await house.account(address)
    await house.account(house.at("bob"))
    await house.alias(house.at("team"), address)

    async def suspend(suspended: bool) -> None:
        if level == "tenant":
            await house.order.UpdateTenant(wire.UpdateTenantRequest(tenant=house.tenant, suspended=suspended))
        elif level == "domain":
            await house.order.UpdateDomain(wire.UpdateDomainRequest(name=house.domain, suspended=suspended))
        else:
            await house.order.UpdateAccount(wire.UpdateAccountRequest(account=address, suspended=suspended))

    assert (await house.log_in(address)).granted
    await suspend(True)
    found = await house.resolve(address, house.at("team"), house.at("bob"), house.at("postmaster"))
    others = DELIVER if level == "account" else DISABLED
    assert [each.disposition for each in found] == [
        DISABLED,
        UNKNOWN if level == "account" else DISABLED,
        others,
        others,
    ]
    # Also right after it was right: what is remembered is the password, not the leave.
    denied = await house.log_in(address)
    assert not denied.granted
    assert denied.identity == wire.Identity()
    await suspend(False)
    assert (await house.resolve(address))[0].disposition == DELIVER
    assert (await house.log_in(address)).granted


async def test_a_right_password_says_who_it_is_and_costs_one_hash(house: House) -> None:
    alice = await house.account(house.at("alice"))
    for login in (house.at("alice"), house.at("ALICE").upper(), house.at("alice")):
        answer = await house.log_in(login)
        assert answer.granted
        assert answer.identity == wire.Identity(
            account_id=alice.account_id, tenant_id=house.tenant_id, address=house.at("alice"), store="default"
        )
    assert len(house.hashes) == 1


@pytest.mark.parametrize("scram_iterations", [0, 4096])
async def test_every_no_looks_the_same_and_costs_one_hash(
    engines: Engines, hashes: list[str], clean: None, scram_iterations: int
) -> None:
    """Nobody learns from an answer or its time who has an account here."""
    async with opened(engines, hashes, scram_iterations=scram_iterations) as house:
        await house.account(house.at("alice"))
        await house.account(house.at("gone"))
        await house.alias(house.at("team"), house.at("alice"))
        await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("gone"), suspended=True))
        answers = []
        for login, password in (
            (house.at("alice"), "wrong password"),
            (house.at("alice"), ""),
            (house.at("alice"), "x" * 100_000),
            (house.at("nobody"), PASSWORD),
            ("nobody@elsewhere.example", PASSWORD),
            ("alice", PASSWORD),
            ("", ""),
            ("alice\0@" + house.domain, PASSWORD),
            (house.at("alice") + "\r\n", PASSWORD),
            # Mail comes this way, but nobody logs in by it.
            (house.at("alice+shop"), PASSWORD),
            (house.at("team"), PASSWORD),
            (house.at("gone"), PASSWORD),
        ):
            before = len(house.hashes)
            answers.append(await house.log_in(login, password))
            assert len(house.hashes) == before + 1, login
        assert all(answer == DENIED for answer in answers)
        parameters = {encoded.rpartition("$")[0].rpartition("$")[0] for encoded in house.hashes}
        assert len(parameters) == 1, "the hash for nobody must cost what one for somebody costs"


async def test_a_changed_password_counts_at_once(house: House) -> None:
    address = house.at("alice")
    await house.account(address)
    assert (await house.log_in(address)).granted
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=address, password="another password"))
    assert not (await house.log_in(address)).granted
    assert (await house.log_in(address, "another password")).granted
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=address))
    assert not (await house.log_in(address, "another password")).granted
    assert (await house.resolve(address))[0].disposition == UNKNOWN


async def test_hostile_recipients_have_an_answer_and_too_many_have_none(house: House) -> None:
    found = await house.resolve(
        *("a\0@" + house.domain, "x" * 70_000 + "@" + house.domain, "", "@", "@" + house.domain),
        *("'; DROP TABLE tenant; --@" + house.domain, "a@" + "b." * 30_000, "ü@" + house.domain),
    )
    assert [each.disposition for each in found] == [
        *(UNKNOWN, UNKNOWN, REMOTE, REMOTE, UNKNOWN, UNKNOWN, REMOTE, UNKNOWN)
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.resolve(*(["a@b.test"] * 1001))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_may_not_be_in_any_more(house: House) -> None:
    others = f"second.{house.domain}"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=others, tenant=house.tenant))
    ids = {
        name: (await house.account(f"{name}@{domain}")).account_id
        for name, domain in (("alice", house.domain), ("bob", house.domain), ("carol", others))
    }
    ids["nobody"] = "6f9619ff-8b86-4011-b42d-00cf4fc964ff"

    async def barred() -> list[str]:
        guests = [wire.Guest(account_id=each) for each in ids.values()]
        answer = await house.ask.FindBarred(wire.FindBarredRequest(guests=guests))
        found = {each.account_id for each in answer.guests}
        return [name for name, account_id in ids.items() if account_id in found]

    assert await barred() == ["nobody"]
    order = house.order
    await order.UpdateAccount(wire.UpdateAccountRequest(account=ids["alice"], suspended=True))
    assert await barred() == ["alice", "nobody"]
    await order.UpdateDomain(wire.UpdateDomainRequest(name=others, suspended=True))
    await order.DeleteAccount(wire.DeleteAccountRequest(account=ids["bob"]))
    assert await barred() == ["alice", "bob", "carol", "nobody"]
    await order.UpdateAccount(wire.UpdateAccountRequest(account=ids["alice"], suspended=False))
    await order.UpdateDomain(wire.UpdateDomainRequest(name=others, suspended=False))
    assert await barred() == ["bob", "nobody"]
    await order.UpdateTenant(wire.UpdateTenantRequest(tenant=house.tenant, suspended=True))
    assert await barred() == ["alice", "bob", "carol", "nobody"]
    alice = ids["alice"]
    for wrong in (
        [("x", "")],
        [(alice, "")] * 1001,
        [(alice, "app:x")],
        [(alice, "password:yesterday")],
        [(alice, "password:2026-11-21T08:00:00")],
        [(alice, "certificate:x")],
    ):
        guests = [wire.Guest(account_id=each, credential=credential) for each, credential in wrong]
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await house.ask.FindBarred(wire.FindBarredRequest(guests=guests))
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_came_with_what_was_changed_or_taken_away_may_not_be_in_any_more(house: House) -> None:
    alice = await house.account(house.at("alice"))
    app = await house.access.CreateAppPassword(
        access.CreateAppPasswordRequest(account=alice.account_id, name="phone")
    )
    credentials = {
        "password": (await house.log_in(house.at("alice"))).credential,
        "again": (await house.log_in(house.at("alice"), client_address="192.0.2.2")).credential,
        "phone": (await house.log_in(house.at("alice"), app.password)).credential,
        "unknown": "",
        "certificate": "certificate:" + "0" * 64,
    }
    assert credentials["password"] == credentials["again"]
    assert (await house.log_in(house.at("alice"), "wrong")).credential == ""

    async def barred() -> list[str]:
        guests = [wire.Guest(account_id=alice.account_id, credential=each) for each in credentials.values()]
        answer = await house.ask.FindBarred(wire.FindBarredRequest(guests=guests))
        return [
            name for name, each in credentials.items() if each in {one.credential for one in answer.guests}
        ]

    assert await barred() == ["certificate"]
    await house.access.DeleteAppPassword(
        access.DeleteAppPasswordRequest(
            account=alice.account_id, app_password_id=app.app_password.app_password_id
        )
    )
    assert await barred() == ["phone", "certificate"]
    # Another name is no reason.
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=alice.account_id, display_name="A"))
    assert await barred() == ["phone", "certificate"]
    await house.order.UpdateAccount(
        wire.UpdateAccountRequest(account=alice.account_id, password="another password")
    )
    assert await barred() == ["password", "again", "phone", "certificate"]
