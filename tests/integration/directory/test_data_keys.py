"""Keys of tenants, over gRPC: made when they are wanted, kept wrapped, gone when they are deleted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from directory.adapters.keyring import Keyring
from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import keys_pb2 as wire
from mailwire.directory.v1 import policy_pb2 as policy

from tests.support.engines import Engines

from .conftest import House, opened

OLD, NEW = "an old secret of the platform", "a new secret of the platform"


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    file = tmp_path / "keyring"
    file.write_text(OLD + "\n")
    return file


@pytest.fixture
async def vault(engines: Engines, hashes: list[str], clean: None, ring: Path) -> AsyncIterator[House]:
    async with opened(engines, hashes, key_provider=Keyring(ring)) as house:
        yield house


async def choose(house: House, encrypts: bool, tenant: str = "") -> None:
    await house.policies.SetTenantPolicy(
        policy.SetTenantPolicyRequest(
            tenant=tenant or house.tenant,
            policy=policy.TenantPolicy(encrypt_bodies=encrypts),
            only=["encrypt_bodies"],
        )
    )


async def key(house: House, version: int = 0, tenant_id: str = "") -> wire.GetDataKeyResponse:
    answer: wire.GetDataKeyResponse = await house.data_keys.GetDataKey(
        wire.GetDataKeyRequest(tenant_id=tenant_id or house.tenant_id, version=version)
    )
    return answer


async def listing(house: House) -> list[wire.TenantKey]:
    answer = await house.keys.ListTenantKeys(wire.ListTenantKeysRequest(tenant=house.tenant))
    return list(answer.keys)


async def delete(house: House, confirm_name: str) -> int:
    answer = await house.keys.DeleteTenantKeys(
        wire.DeleteTenantKeysRequest(tenant=house.tenant, confirm_name=confirm_name)
    )
    return int(answer.deleted)


async def test_who_chooses_nothing_has_no_key(vault: House) -> None:
    assert (await key(vault)).state == wire.DATA_KEY_STATE_PLAIN
    assert await listing(vault) == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vault.keys.RotateTenantKey(wire.RotateTenantKeyRequest(tenant=vault.tenant))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_the_first_question_makes_the_first_key_and_only_one(vault: House) -> None:
    await choose(vault, True)
    answers = await asyncio.gather(*(key(vault) for _ in range(12)))
    assert {each.version for each in answers} == {1}
    assert len({each.secret for each in answers}) == 1
    assert len(answers[0].secret) == 32
    assert [(each.version, each.encrypts) for each in await listing(vault)] == [(1, True)]


async def test_rotation_keeps_what_was(vault: House) -> None:
    await choose(vault, True)
    first = await key(vault)
    answer = await vault.keys.RotateTenantKey(wire.RotateTenantKeyRequest(tenant=vault.tenant))
    assert (answer.key.version, answer.key.encrypts) == (2, True)
    second = await key(vault)
    assert second.version == 2
    assert second.secret != first.secret
    assert await key(vault, 1) == first
    # Who encrypts no more can still read.
    await choose(vault, False)
    assert (await key(vault)).state == wire.DATA_KEY_STATE_PLAIN
    assert await key(vault, 1) == first
    assert [each.encrypts for each in await listing(vault)] == [False, False]


async def test_nobody_makes_keys_without_end(vault: House, engines: Engines) -> None:
    await choose(vault, True)
    await key(vault)
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))
    await connection.execute(
        "UPDATE data_key SET version = 10000 WHERE tenant_id = $1::uuid", vault.tenant_id
    )
    await connection.close()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vault.keys.RotateTenantKey(wire.RotateTenantKeyRequest(tenant=vault.tenant))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await delete(vault, vault.tenant)


async def test_deleted_is_deleted_and_its_number_is_not_used_again(vault: House) -> None:
    await choose(vault, True)
    first = await key(vault)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await delete(vault, vault.other)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await key(vault, 1) == first
    assert await delete(vault, vault.tenant) == 1
    gone = await key(vault, 1)
    assert (gone.state, gone.secret) == (wire.DATA_KEY_STATE_GONE, b"")
    [tombstone] = await listing(vault)
    assert tombstone.HasField("deleted_at")
    assert not tombstone.wrapped_with
    again = await key(vault)
    assert again.version == 2
    assert again.secret != first.secret
    assert await delete(vault, vault.tenant) == 1


async def test_changes_are_told(vault: House, engines: Engines) -> None:
    await choose(vault, True)
    await key(vault)
    bus = await EventBus.connect(engines.nats.url, name="imap")
    told: asyncio.Queue[directory.DirectoryChanged] = asyncio.Queue()
    await bus.listen(
        DIRECTORY_CHANGED, lambda _, payload: told.put_nowait(directory.DirectoryChanged.FromString(payload))
    )
    await vault.keys.RotateTenantKey(wire.RotateTenantKeyRequest(tenant=vault.tenant))
    await delete(vault, vault.tenant)
    for _ in range(2):
        async with asyncio.timeout(5):
            assert await told.get() == directory.DirectoryChanged(tenant_id=vault.tenant_id)
    await bus.close()


async def test_other_tenants_and_strangers_have_no_part_in_it(vault: House) -> None:
    await choose(vault, True)
    await key(vault)
    other = await vault.order.GetTenant(directory.GetTenantRequest(tenant=vault.other))
    not_its_own = await key(vault, 1, other.tenant.tenant_id)
    assert (not_its_own.state, not_its_own.secret) == (wire.DATA_KEY_STATE_UNKNOWN, b"")
    assert (await key(vault, 0, "11111111-1111-1111-1111-111111111111")).state == wire.DATA_KEY_STATE_GONE
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await key(vault, 0, "no id")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_database_alone_opens_nothing(vault: House, engines: Engines) -> None:
    await choose(vault, True)
    held = await key(vault)
    assert all(held.secret not in bytes(row["wrapped"]) for row in await rows(engines, vault))


async def rows(engines: Engines, house: House) -> list[Any]:
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))
    try:
        return list(
            await connection.fetch("SELECT * FROM data_key WHERE tenant_id = $1::uuid", house.tenant_id)
        )
    finally:
        await connection.close()


async def restore(engines: Engines, house: House, kept: list[Any]) -> None:
    """As if a dump were played back."""
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))
    for row in kept:
        await connection.execute(
            """UPDATE data_key SET wrapped = $3, wrapped_with = $4, deleted_at = NULL
               WHERE tenant_id = $1 AND version = $2""",
            row["tenant_id"],
            row["version"],
            row["wrapped"],
            row["wrapped_with"],
        )
    await connection.close()


async def test_a_dump_of_before_the_deletion_is_worthless_once_the_old_kek_is_gone(
    vault: House, engines: Engines, ring: Path
) -> None:
    await choose(vault, True)
    held = await key(vault)
    dump = await rows(engines, vault)
    await delete(vault, vault.tenant)
    # The tenant lives on, and so do others.
    second = await key(vault)
    ring.write_text(f"{NEW}\n{OLD}\n")
    before = await vault.keys.GetWrapping(wire.GetWrappingRequest())
    assert before.current not in [use.wrapped_with for use in before.uses]
    answer = await vault.keys.RewrapKeys(wire.RewrapKeysRequest())
    assert answer.rewrapped >= 1
    after = await vault.keys.GetWrapping(wire.GetWrappingRequest())
    assert after.current in [use.wrapped_with for use in after.uses]
    assert await key(vault, 2) == second
    await restore(engines, vault, dump)
    # As long as the old secret is there, who has the dump has the key: that is why it is to go.
    assert (await key(vault, 1)).secret == held.secret
    ring.write_text(f"{NEW}\n")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await key(vault, 1)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await key(vault, 2) == second
    unopened = await vault.keys.RewrapKeys(wire.RewrapKeysRequest())
    assert (unopened.rewrapped, unopened.unopened >= 1) == (0, True)
    assert await delete(vault, vault.tenant) == 2


async def test_without_a_provider_nobody_can_choose_it(house: House) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await choose(house, True)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "DIRECTORY_KEY_ENCRYPTION_FILE" in (refused.value.details() or "")
    await choose(house, False)


async def test_a_provider_that_went_away_stops_mail_and_lets_nothing_through_plain(
    vault: House, engines: Engines, hashes: list[str]
) -> None:
    await choose(vault, True)
    await key(vault)
    async with opened(engines, hashes) as without:
        with pytest.raises(grpc.aio.AioRpcError):
            await key(without, 0, vault.tenant_id)
        with pytest.raises(grpc.aio.AioRpcError):
            await key(without, 1, vault.tenant_id)


async def test_a_tenant_that_is_removed_takes_its_keys_along(vault: House) -> None:
    await choose(vault, True, vault.other)
    other = await vault.order.GetTenant(directory.GetTenantRequest(tenant=vault.other))
    assert (await key(vault, 0, other.tenant.tenant_id)).state == wire.DATA_KEY_STATE_HELD
    await vault.order.DeleteTenant(directory.DeleteTenantRequest(tenant=vault.other))
    assert (await key(vault, 1, other.tenant.tenant_id)).state == wire.DATA_KEY_STATE_GONE


async def test_a_key_that_was_never_there_is_not_said_to_be_deleted(vault: House) -> None:
    """As where the directory was set back to a backup from before a rotation: what it encrypted is not to be thrown away."""
    await choose(vault, True)
    made = await key(vault)
    assert (await key(vault, made.version + 1)).state == wire.DATA_KEY_STATE_UNKNOWN
    assert (await key(vault, made.version)).state == wire.DATA_KEY_STATE_HELD
