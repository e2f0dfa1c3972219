"""Keys that sign for domains, over gRPC: made in pairs, kept sealed, given to their own tenant only."""

import asyncio

import asyncpg
import grpc
import pytest
from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import dkim_pb2 as wire
from senderauth.dkim import Algorithm, signing_key

from tests.support.engines import Engines

from .conftest import DKIM_SECRET, House, opened

ED25519 = wire.DKIM_ALGORITHM_ED25519_SHA256


async def make(
    house: House, selector: str = "", *algorithms: wire.DkimAlgorithm.ValueType, domain: str = ""
) -> list[wire.DkimKey]:
    answer = await house.dkim.CreateDkimKeys(
        wire.CreateDkimKeysRequest(domain=domain or house.domain, selector=selector, algorithms=algorithms)
    )
    return list(answer.keys)


async def listing(house: House) -> list[wire.DkimKey]:
    return list((await house.dkim.ListDkimKeys(wire.ListDkimKeysRequest(domain=house.domain))).keys)


async def signing(house: House, tenant_id: str = "") -> list[wire.SigningKey]:
    request = wire.GetSigningKeysRequest(tenant_id=tenant_id or house.tenant_id, domain=house.domain)
    return list((await house.signing.GetSigningKeys(request)).keys)


async def test_a_pair_whose_records_fit_the_keys_that_sign(house: House) -> None:
    made = await make(house)
    assert [key.selector for key in made] == ["202611-rsa", "202611-ed25519"]
    assert await listing(house) == sorted(made, key=lambda key: key.selector)
    private = {key.selector: key.private_key for key in await signing(house)}
    for key, algorithm in zip(made, (Algorithm.RSA_SHA256, Algorithm.ED25519_SHA256), strict=True):
        opened_key = signing_key(house.domain, key.selector, private[key.selector])
        assert (opened_key.algorithm, opened_key.record_name, opened_key.record) == (
            algorithm,
            key.record_name,
            key.record,
        )
        assert key.record_name == f"{key.selector}._domainkey.{house.domain}"


async def test_selectors(house: House) -> None:
    assert [key.selector for key in await make(house, "", ED25519)] == ["202611"]
    assert [key.selector for key in await make(house, "", ED25519)] == ["202611-2"]
    assert [key.selector for key in await make(house, "New.Year", ED25519)] == ["new.year"]
    for selector in ("new.year", "a_b", "-a", "a..b", "x" * 64, "é"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await make(house, selector, ED25519)
        assert refused.value.code() in (
            grpc.StatusCode.ALREADY_EXISTS,
            grpc.StatusCode.INVALID_ARGUMENT,
        )
    assert len(await listing(house)) == 3


async def test_a_domain_has_few_keys(house: House) -> None:
    for _ in range(8):
        await make(house, "", ED25519)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await make(house, "", ED25519)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    for key in await listing(house):
        request = wire.DeleteDkimKeyRequest(domain=house.domain, selector=key.selector)
        await house.dkim.DeleteDkimKey(request)
    assert await signing(house) == []
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await house.dkim.DeleteDkimKey(request)
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


async def test_no_other_tenant_gets_them(house: House) -> None:
    await make(house, "s", ED25519)
    other = (await house.order.GetTenant(directory.GetTenantRequest(tenant=house.other))).tenant.tenant_id
    assert await signing(house, other) == []
    for tenant_id in ("nobody", "' OR true"):
        with pytest.raises(grpc.aio.AioRpcError):
            await signing(house, tenant_id)


async def test_the_database_alone_signs_nothing(house: House, engines: Engines) -> None:
    await make(house, "s", ED25519)
    [key] = await signing(house)
    owner = await asyncpg.connect(engines.dsn("directory", "owner"))
    try:
        await owner.execute("SELECT set_config('posthouse.scope', 'operator', false)")
        [row] = await owner.fetch("SELECT * FROM dkim_key WHERE domain = $1", house.domain)
        assert b"PRIVATE KEY" not in row["sealed"]
        assert key.private_key not in row["sealed"]
        # A row that is put at another place opens nothing.
        await owner.execute("UPDATE dkim_key SET selector = 't' WHERE domain = $1", house.domain)
    finally:
        await owner.close()
    assert await signing(house) == []


async def test_secrets_are_changed_without_losing_keys(engines: Engines, hashes: list[str]) -> None:
    newer = "another secret for private keys"
    async with opened(engines, hashes) as house:
        await make(house, "s", ED25519)
        before = await signing(house)
    for secrets, found in (((newer, DKIM_SECRET), before), ((newer,), []), ((), [])):
        async with opened(engines, hashes, dkim_secrets=secrets) as other:
            request = wire.GetSigningKeysRequest(tenant_id=house.tenant_id, domain=house.domain)
            assert list((await other.signing.GetSigningKeys(request)).keys) == found
    async with opened(engines, hashes, dkim_secrets=()) as without:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await make(without)
        assert "DKIM_SECRET_FILE" in (refused.value.details() or "")


async def test_changes_are_told_and_keys_go_with_their_domain(house: House, engines: Engines) -> None:
    heard: list[directory.DirectoryChanged] = []
    changed = asyncio.Event()

    def hear(_: str, payload: bytes) -> None:
        heard.append(directory.DirectoryChanged.FromString(payload))
        changed.set()

    bus = await EventBus.connect(engines.nats.url, name="listener")
    try:
        await bus.listen(DIRECTORY_CHANGED, hear)
        await make(house, "s", ED25519)
        async with asyncio.timeout(5):
            while not any(house.domain in each.domains for each in heard):
                changed.clear()
                await changed.wait()
    finally:
        await bus.close()
    await house.order.DeleteDomain(directory.DeleteDomainRequest(name=house.domain))
    assert await signing(house) == []
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await make(house)
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND
