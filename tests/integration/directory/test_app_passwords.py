"""App passwords over gRPC: made once, taken where they are meant, revoked at once."""

import asyncio

import asyncpg
import grpc
import pytest
from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire

from tests.support.engines import Engines

from .conftest import PASSWORD, House, opened
from .test_questions import DENIED


async def make(
    house: House, account: str, name: str = "phone", *scopes: str, seconds: float | None = None
) -> access.CreateAppPasswordResponse:
    expires_at = None
    if seconds is not None:
        expires_at = Timestamp()
        expires_at.FromDatetime(house.clock.now)
        expires_at.FromSeconds(int(expires_at.ToSeconds() + seconds))
    answer: access.CreateAppPasswordResponse = await house.access.CreateAppPassword(
        access.CreateAppPasswordRequest(account=account, name=name, scopes=scopes, expires_at=expires_at)
    )
    return answer


async def listing(house: House, account: str) -> list[access.AppPassword]:
    answer = await house.access.ListAppPasswords(access.ListAppPasswordsRequest(account=account))
    return list(answer.app_passwords)


async def test_it_opens_the_doors_that_it_is_meant_for_without_a_hash(house: House) -> None:
    address = house.at("alice")
    account = await house.account(address)
    made = await make(house, address.upper(), "phone", "imap", "smtp")
    other = await make(house, account.account_id, "laptop", "pop3")
    assert made.app_password.account_id == account.account_id
    assert list(made.app_password.scopes) == ["smtp", "imap"]
    assert not made.app_password.HasField("expires_at")
    for door in ("imap", "smtp"):
        answer = await house.log_in(address, made.password.upper(), door)
        assert answer.granted
        assert answer.identity.address == address
        assert not answer.HasField("remember_seconds")
    assert (await house.log_in(address, other.password, "pop3")).granted
    assert house.hashes == []
    every = await make(house, address, "everything")
    for door in ("smtp", "imap", "pop3", "sieve", "jmap"):
        assert (await house.log_in(address, every.password, door)).granted, door
    for door in ("admin", "web", "telnet", ""):
        assert not (await house.log_in(address, every.password, door, "192.0.2.200")).granted, door
    # The account's own password is not replaced by it.
    assert (await house.log_in(address, PASSWORD, "pop3")).granted


async def test_a_wrong_door_account_or_day_is_a_wrong_password_and_costs_the_same(house: House) -> None:
    address = house.at("alice")
    await house.account(address)
    await house.account(house.at("bob"))
    await house.account(house.at("gone"))
    made = await make(house, address, "phone", "imap", seconds=3600)
    of_gone = await make(house, house.at("gone"), "phone")
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("gone"), suspended=True))
    assert (await house.log_in(address, made.password)).remember_seconds == 3600
    for number, (login, password, door) in enumerate(
        (
            (address, made.password, "pop3"),
            (address, made.password, "telnet"),
            (house.at("bob"), made.password, "imap"),
            (house.at("nobody"), made.password, "imap"),
            (address, made.password[:-1] + ("a" if made.password[-1] != "a" else "b"), "imap"),
        )
    ):
        before = len(house.hashes)
        assert await house.log_in(login, password, door, f"192.0.2.{number}") == DENIED
        assert len(house.hashes) == before + 1
    assert not (await house.log_in(house.at("gone"), of_gone.password)).granted
    house.clock.advance(3599.5)
    assert (await house.log_in(address, made.password)).remember_seconds == 0.5
    house.clock.advance(0.5)
    assert not (await house.log_in(address, made.password)).granted


async def test_a_revoked_one_is_wrong_at_once_and_the_doors_are_told(house: House, engines: Engines) -> None:
    address = house.at("alice")
    account = await house.account(address)
    made, kept = await make(house, address, "phone"), await make(house, address, "laptop")
    assert (await house.log_in(address, made.password)).granted
    heard: asyncio.Queue[wire.DirectoryChanged] = asyncio.Queue()
    bus = await EventBus.connect(engines.nats.url, name="listener")
    await bus.listen(
        DIRECTORY_CHANGED, lambda _, payload: heard.put_nowait(wire.DirectoryChanged.FromString(payload))
    )
    delete = access.DeleteAppPasswordRequest(
        account=address, app_password_id=made.app_password.app_password_id
    )
    await house.access.DeleteAppPassword(delete)
    assert (await asyncio.wait_for(heard.get(), 5)).account_id == account.account_id
    await bus.close()
    assert not (await house.log_in(address, made.password)).granted
    assert (await house.log_in(address, kept.password)).granted
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.access.DeleteAppPassword(delete)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    # Another account's cannot be revoked through one's own.
    await house.account(house.at("bob"))
    for wrong in (kept.app_password.app_password_id, "nonsense"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await house.access.DeleteAppPassword(
                access.DeleteAppPasswordRequest(account=house.at("bob"), app_password_id=wrong)
            )
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert [each.name for each in await listing(house, address)] == ["laptop"]


async def test_the_list_says_where_each_was_used_last_and_no_secret(house: House) -> None:
    address = house.at("alice")
    await house.account(address)
    made = await make(house, address, "phone")
    await make(house, address, "a laptop", "imap")
    [laptop, phone] = await listing(house, address)
    assert (laptop.name, phone.name) == ("a laptop", "phone")
    assert phone == made.app_password
    assert not phone.HasField("last_used_at")
    await house.log_in(address, made.password, "imap", "192.0.2.7")
    house.clock.advance(60)
    await house.log_in(address, made.password, "smtp", "::ffff:192.0.2.8")
    await house.journal.write()
    [laptop, phone] = await listing(house, address)
    assert phone.last_used_at.ToSeconds() == int(house.clock.now.timestamp())
    assert (phone.last_used_service, phone.last_used_address) == ("smtp", "192.0.2.8")
    assert not laptop.HasField("last_used_at")
    assert made.password not in str(phone)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"name": ""}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "a\x00b"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "x", "scopes": ["telnet"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "x", "expires_at": Timestamp(seconds=1)}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "x", "expires_at": Timestamp(seconds=1 << 62)}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "taken"}, grpc.StatusCode.ALREADY_EXISTS),
        ({"name": "x", "account": "nobody@elsewhere.example"}, grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_what_cannot_be_made(house: House, request_: dict[str, object], code: grpc.StatusCode) -> None:
    address = house.at("alice")
    await house.account(address)
    await make(house, address, "taken")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.access.CreateAppPassword(
            access.CreateAppPasswordRequest(**{"account": address, **request_})  # type: ignore[arg-type]
        )
    assert caught.value.code() is code


async def test_an_account_has_at_most_fifty(house: House) -> None:
    address = house.at("alice")
    await house.account(address)
    made = await asyncio.gather(
        *(make(house, address, f"n{number}") for number in range(53)), return_exceptions=True
    )
    assert sum(isinstance(each, grpc.aio.AioRpcError) for each in made) == 3
    assert len(await listing(house, address)) == 50


async def test_a_hash_made_with_less_is_made_anew_at_login(house: House, engines: Engines) -> None:
    address = house.at("alice")
    account = await house.account(address)
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))

    async def stored() -> str:
        verifier = await connection.fetchval(
            "SELECT verifier FROM credential WHERE account_id = $1::uuid AND kind = 'password'",
            account.account_id,
        )
        return str(verifier)

    try:
        weak, before = await stored(), await house.log_in(address)
        async with opened(engines, [], passes=2) as stronger:
            assert not (await stronger.log_in(address, "wrong password")).granted
            assert await stored() == weak
            assert (await stronger.log_in(address)).granted
            strong = await stored()
            # It is the same password, and whoever came in with it may stay.
            assert (await stronger.log_in(address)).credential == before.credential
            assert ",t=2," in strong
            assert (await stronger.log_in(address)).granted
        assert (await house.log_in(address)).granted
        assert await stored() == strong, "settings that want less do not weaken it"
    finally:
        await connection.close()
