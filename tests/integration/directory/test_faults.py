"""When a store is away, the directory says so: nobody is unknown, no password is wrong; then all is as before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import directory.migrate
import grpc
import nats
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from directory.core import scram
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as wire

from tests.support.engines import Engines, running

from .conftest import PASSWORD, opened

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Engines]:
    """Stores that may be killed."""
    async with running(tmp_path / "own", "nats") as engines:
        await asyncio.to_thread(directory.migrate.migrate, engines.dsn("directory", "owner"), "directory_app")
        yield engines


async def code_of(call: Awaitable[object]) -> grpc.StatusCode | None:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


async def until(call: Callable[[], Awaitable[grpc.StatusCode | None]]) -> None:
    """It goes well; connections come back in their own time."""
    for _ in range(200):
        if await call() is None:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come back")


async def test_postgresql_goes_and_comes_back(own: Engines, hashes: list[str]) -> None:
    async with opened(own, hashes) as house:
        address = house.at("alice")
        await house.account(address)

        def calls() -> list[Awaitable[object]]:
            return [
                house.resolve(address, house.at("nobody")),
                house.log_in(address),
                house.log_in(house.at("nobody")),
                house.order.GetAccount(wire.GetAccountRequest(account=address)),
                house.order.CreateTenant(wire.CreateTenantRequest(name=f"{house.tenant}-late")),
                house.order.DeleteDomain(wire.DeleteDomainRequest(name="nobody.example")),
            ]

        await own.children["postgres"].stop()
        assert await asyncio.gather(*(code_of(call) for call in calls())) == [UNAVAILABLE] * 6
        await own.begin("postgres")
        await until(lambda: code_of(house.resolve(address)))
        assert [each.disposition for each in await house.resolve(address, house.at("nobody"))] == [
            wire.DISPOSITION_DELIVER,
            wire.DISPOSITION_UNKNOWN,
        ]
        assert (await house.log_in(address)).granted
        # What was not answered was not done.
        await house.order.CreateTenant(wire.CreateTenantRequest(name=f"{house.tenant}-late"))


async def test_without_the_bus_nothing_is_told_and_all_is_done(own: Engines, hashes: list[str]) -> None:
    async with opened(own, hashes) as house:
        await own.children["nats"].stop()
        await house.account(house.at("alice"))
        assert (await house.log_in(house.at("alice"))).granted
        await own.begin("nats")
        listener = await nats.connect(own.nats.url)
        heard = await listener.subscribe(DIRECTORY_CHANGED)
        await listener.flush()

        async def change() -> grpc.StatusCode | None:
            await house.order.UpdateDomain(wire.UpdateDomainRequest(name=house.domain, suspended=False))
            try:
                await heard.next_msg(timeout=0.1)
            except nats.errors.TimeoutError:
                return UNAVAILABLE
            return None

        # It connects again by itself.
        await until(change)
        await listener.close()


@pytest.mark.parametrize("scram_iterations", [0, 4096])
async def test_no_memory_for_a_hash_is_no_wrong_password(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, scram_iterations: int
) -> None:
    def fails(self: PasswordHasher, encoded: str, password: str) -> bool:
        raise VerificationError("Memory allocation error")

    def keys_fail(*arguments: object) -> bool:
        raise MemoryError

    async with opened(engines, [], scram_iterations=scram_iterations) as house:
        await house.account(house.at("alice"))
        monkeypatch.setattr(PasswordHasher, "verify", fails)
        monkeypatch.setattr(scram, "is_password", keys_fail)
        assert await code_of(house.log_in(house.at("alice"), PASSWORD)) not in (None, grpc.StatusCode.OK)
