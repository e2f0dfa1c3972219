"""Failed logins over gRPC: who must wait, who must not, over several processes; seen and lifted by the operator."""

import asyncio

import grpc
import pytest
from directory.core.limits import Rules
from directory.ports import Attempted
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire

from tests.support.engines import Engines

from .conftest import PASSWORD, House, opened

GRANTED, DENIED, THROTTLED = wire.VERDICT_GRANTED, wire.VERDICT_DENIED, wire.VERDICT_THROTTLED
RULES = Rules()
FREE = RULES.pair.free


def somewhere(house: House, number: int = 0) -> str:
    """A client's address that no other test uses: prefixes are counted over all of them."""
    place = int(house.tenant_id.replace("-", "")[:12], 16)
    return f"2001:db8:{place >> 32 & 0xFFFF:x}:{(place >> 16 ^ number) & 0xFFFF:x}::1"


async def guess(house: House, login: str, client: str, *words: str) -> list["wire.Verdict.ValueType"]:
    return [(await house.log_in(login, word, client_address=client)).verdict for word in words]


def words(number: int, first: int = 0) -> list[str]:
    return [f"guess {each}" for each in range(first, first + number)]


async def limits(house: House, *, account: str = "", client_address: str = "") -> list[access.LoginLimit]:
    answer = await house.access.ListLoginLimits(
        access.ListLoginLimitsRequest(account=account, client_address=client_address)
    )
    return list(answer.login_limits)


@pytest.mark.parametrize("who", ["alice", "nobody"])
async def test_after_some_failures_each_waits_longer_than_the_last(house: House, who: str) -> None:
    """Whether the account exists makes no difference."""
    await house.account(house.at("alice"))
    login, client = house.at(who), somewhere(house)
    assert await guess(house, login, client, *words(FREE + 1)) == [DENIED] * (FREE + 1)
    for round_, seconds in enumerate((2, 4, 8, 16)):
        hashes = len(house.hashes)
        answer = await house.log_in(login, "the next guess", client_address=client)
        assert answer.verdict == THROTTLED
        assert not answer.granted
        assert answer.retry_after_seconds == seconds
        assert len(house.hashes) == hashes, "the password must not be looked at"
        house.clock.advance(seconds - 0.5)
        assert await guess(house, login, client, PASSWORD) == [THROTTLED]
        house.clock.advance(0.5)
        assert await guess(house, login, client, f"late guess {round_}") == [DENIED]


async def test_the_owner_comes_in_from_anywhere_else_meanwhile(house: House) -> None:
    login = house.at("alice")
    await house.account(login)
    for number in range(8):
        await guess(house, login, somewhere(house, number), *words(FREE + 3))
        assert await guess(house, login, somewhere(house, number), PASSWORD) == [THROTTLED]
    assert await guess(house, login, somewhere(house, 99), PASSWORD) == [GRANTED]
    # Other accounts from the guesser's address too, until the address itself has failed too often.
    await house.account(house.at("bob"))
    assert await guess(house, house.at("bob"), somewhere(house, 0), PASSWORD) == [GRANTED]


async def test_a_right_password_forgets_the_failures_of_the_pair(house: House) -> None:
    login, client = house.at("alice"), somewhere(house)
    await house.account(login)
    for turn in range(3):
        assert await guess(house, login, client, *words(FREE, turn * FREE)) == [DENIED] * FREE
        assert await guess(house, login, client, PASSWORD) == [GRANTED]


async def test_the_same_wrong_password_again_is_no_new_guess(house: House) -> None:
    """A program with an old password: nobody waits because of it, and it costs one hash."""
    login, client = house.at("alice"), somewhere(house)
    await house.account(login)
    assert await guess(house, login, client, *["old password"] * 50) == [DENIED] * 50
    assert len(house.hashes) == 1
    [limit, of_prefix] = await limits(house, client_address=client)
    assert (limit.failures, of_prefix.failures) == (1, 1)
    # It is a wrong one no more when it becomes the right one.
    change = wire.UpdateAccountRequest(account=login, password="old password")
    await house.order.UpdateAccount(change)
    assert await guess(house, login, client, "old password") == [GRANTED]


async def test_one_address_that_tries_many_accounts_waits_and_whom_we_know_there_does_not(
    house: House,
) -> None:
    client = somewhere(house)
    for name in ("alice", "bob"):
        await house.account(house.at(name))
    assert await guess(house, house.at("alice"), client, PASSWORD) == [GRANTED]
    spray = [await guess(house, house.at(f"n{number}"), client, "Winter2026") for number in range(22)]
    assert spray == [[DENIED]] * 21 + [[THROTTLED]]
    assert await guess(house, house.at("bob"), client, PASSWORD) == [THROTTLED]
    assert await guess(house, house.at("alice"), client, PASSWORD, "wrong") == [GRANTED, DENIED]
    # The neighbour of the same /64 is the same; another /64 is another.
    neighbour = client.removesuffix("1") + "2:3"
    assert await guess(house, house.at("bob"), neighbour, PASSWORD) == [THROTTLED]
    assert await guess(house, house.at("bob"), somewhere(house, 1), PASSWORD) == [GRANTED]


async def test_a_prefix_is_not_counted_on_our_own_machine(house: House) -> None:
    """There a proxy or the webmail may stand, and everybody behind it."""
    await house.account(house.at("alice"))
    spray = [await guess(house, house.at(f"n{n}"), "127.0.0.1", "Winter2026") for n in range(30)]
    assert spray == [[DENIED]] * 30
    assert await guess(house, house.at("alice"), "127.0.0.1", PASSWORD) == [GRANTED]
    assert await guess(house, house.at("alice"), "127.0.0.1", *words(FREE + 2)) == [DENIED] * (FREE + 1) + [
        THROTTLED
    ]


async def test_all_processes_count_together(house: House, engines: Engines) -> None:
    login, client = house.at("alice"), somewhere(house)
    await house.account(login)
    async with opened(engines, [], clock=house.clock) as second:
        for number in range(FREE + 1):
            assert await guess((house, second)[number % 2], login, client, f"guess {number}") == [DENIED]
        for each in (house, second):
            assert await guess(each, login, client, PASSWORD) == [THROTTLED]


async def test_while_very_many_fail_everywhere_little_is_free_and_whom_we_know_comes_in(
    house: House, engines: Engines
) -> None:
    """Counted over all processes, by the minute."""
    few = Rules(everywhere_a_minute=12)
    known, other = house.at("alice"), house.at("bob")
    for address in (known, other):
        await house.account(address)
    assert await guess(house, known, somewhere(house, 500), PASSWORD) == [GRANTED]
    async with (
        opened(engines, [], clock=house.clock, rules=few) as first,
        opened(engines, [], clock=house.clock, rules=few) as second,
    ):
        for number in range(few.everywhere_a_minute - 1):
            login = house.at(f"nobody{number}")
            asked = (first, second)[number % 2]
            assert await guess(asked, login, somewhere(house, number), "guess") == [DENIED]
        # Until then two failures of a prefix are a person's.
        assert await guess(first, other, somewhere(house, 600), "one") == [DENIED]
        assert await guess(second, other, somewhere(house, 601), "one", "two") == [DENIED, DENIED]
        for each in (first, second):
            assert await guess(each, other, somewhere(house, 601), PASSWORD) == [THROTTLED]
            assert await guess(each, known, somewhere(house, 500), PASSWORD) == [GRANTED]
            assert await guess(each, other, somewhere(house, 700), PASSWORD) == [GRANTED]
        house.clock.advance(180)
        assert await guess(first, other, somewhere(house, 601), PASSWORD) == [GRANTED]


async def test_guessing_in_parallel_gains_nothing(house: House) -> None:
    login, client = house.at("alice"), somewhere(house)
    await house.account(login)
    answers = await asyncio.gather(*(guess(house, login, client, word) for word in words(40)))
    assert sorted(answers) == [[DENIED]] * (FREE + 1) + [[THROTTLED]] * (39 - FREE)
    assert len(house.hashes) == FREE + 1


async def test_many_programs_of_one_owner_at_once_cost_one_hash(house: House) -> None:
    login, client = house.at("alice"), somewhere(house)
    await house.account(login)
    answers = await asyncio.gather(*(guess(house, login, client, PASSWORD) for _ in range(20)))
    assert answers == [[GRANTED]] * 20
    assert len(house.hashes) == 1


async def test_seen_and_lifted_by_the_operator(house: House) -> None:
    login, client = house.at("alice"), somewhere(house)
    account = await house.account(login)
    await guess(house, login, client, *words(FREE + 2))
    await guess(house, house.at("nobody"), client, "x")
    await guess(house, login, somewhere(house, 1), "x")
    found = await limits(house, account=login.upper(), client_address=client)
    assert [(each.address, each.failures, each.whole_prefix) for each in found] == [(login, FREE + 1, False)]
    assert found[0].account_id == account.account_id
    assert found[0].prefix == client.removesuffix("1") + "/64"
    assert found[0].blocked_until.ToSeconds() - found[0].failed_at.ToSeconds() == 2
    of_client = await limits(house, client_address=client)
    assert sorted((each.address, each.failures, each.whole_prefix) for each in of_client) == [
        ("", 1, False),
        ("", FREE + 1, True),  # Of one who insists on one account not more than are free.
        (login, FREE + 1, False),
    ]
    assert not any(each.HasField("blocked_until") for each in of_client if each.address != login)
    assert house.at("nobody") not in str(of_client)

    lift = access.LiftLoginLimitsRequest(account=login, client_address=client)
    assert (await house.access.LiftLoginLimits(lift)).lifted == 1
    assert await guess(house, login, client, PASSWORD) == [GRANTED]
    assert len(await limits(house, account=login)) == 1
    assert (await house.access.LiftLoginLimits(access.LiftLoginLimitsRequest(account=login))).lifted == 1
    assert await limits(house, account=login) == []
    lift = access.LiftLoginLimitsRequest(client_address=found[0].prefix)
    assert (await house.access.LiftLoginLimits(lift)).lifted == 2
    assert await limits(house, client_address=client) == []


async def test_the_list_has_pages_and_orders_are_checked(house: House) -> None:
    for number in range(7):
        await guess(house, house.at(f"n{number}"), somewhere(house), "x")
    found, token = [], ""
    while True:
        answer = await house.access.ListLoginLimits(
            access.ListLoginLimitsRequest(client_address=somewhere(house), page_size=3, page_token=token)
        )
        assert len(answer.login_limits) <= 3
        found += list(answer.login_limits)
        token = answer.next_page_token
        if not token:
            break
    assert [each.failures for each in found] == [1] * 7 + [7]
    for call, request, code in (
        (house.access.LiftLoginLimits, access.LiftLoginLimitsRequest(), "INVALID_ARGUMENT"),
        (house.access.LiftLoginLimits, access.LiftLoginLimitsRequest(client_address="x"), "INVALID_ARGUMENT"),
        (house.access.LiftLoginLimits, access.LiftLoginLimitsRequest(account="a@b.test"), "NOT_FOUND"),
        (house.access.ListLoginLimits, access.ListLoginLimitsRequest(page_token="x"), "INVALID_ARGUMENT"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request)
        assert caught.value.code().name == code


async def test_old_tallies_are_forgotten_and_deleted(house: House) -> None:
    login, client = house.at("alice"), somewhere(house)
    account = await house.account(login)
    await guess(house, login, client, *words(FREE + 1))
    house.clock.advance(86_400)
    assert await limits(house, client_address=client) == []
    assert await guess(house, login, client, *words(FREE, 100)) == [DENIED] * FREE
    house.clock.advance(2 * 86_400 + 1)
    await house.housekeeping.once()
    assert await house.limits.prune(house.clock.now, 30) == 0, "nothing is left to delete"
    assert await guess(house, login, client, PASSWORD) == [GRANTED]
    house.clock.advance(29 * 86_400)
    await house.housekeeping.once()
    pair = Attempted(account.account_id, client.removesuffix("1") + "/64", counts_prefix=True)
    standing = await house.limits.standing(pair, house.clock.now)
    assert standing.is_familiar(house.clock.now), "who came in from there is still known"
    house.clock.advance(86_400 + 1)
    await house.housekeeping.once()
    assert (await house.limits.standing(pair, house.clock.now)).succeeded_at is None
