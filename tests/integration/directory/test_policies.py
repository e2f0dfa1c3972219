"""What a tenant chooses, over gRPC."""

import grpc
import pytest
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import policy_pb2 as wire

from .conftest import House


async def chosen(house: House, tenant: str) -> wire.TenantPolicy:
    policy: wire.TenantPolicy = (
        await house.policies.GetTenantPolicy(wire.GetTenantPolicyRequest(tenant=tenant))
    ).policy
    return policy


async def choose(house: House, tenant: str, dmarc: wire.DmarcLimit.ValueType) -> None:
    policy = wire.TenantPolicy(dmarc=dmarc)
    await house.policies.SetTenantPolicy(wire.SetTenantPolicyRequest(tenant=tenant, policy=policy))


async def test_a_choice_is_the_tenants_own_and_can_be_taken_back(house: House) -> None:
    assert await chosen(house, house.tenant) == wire.TenantPolicy()
    for dmarc in (wire.DMARC_LIMIT_REJECT, wire.DMARC_LIMIT_MARK, wire.DMARC_LIMIT_QUARANTINE):
        await choose(house, house.tenant, dmarc)
        assert (await chosen(house, house.tenant_id)).dmarc == dmarc
    assert await chosen(house, house.other) == wire.TenantPolicy()
    await choose(house, house.tenant_id, wire.DMARC_LIMIT_UNSPECIFIED)
    assert await chosen(house, house.tenant) == wire.TenantPolicy()


async def test_what_cannot_be_chosen(house: House) -> None:
    for tenant, dmarc, code in (
        ("nobody", wire.DMARC_LIMIT_MARK, grpc.StatusCode.NOT_FOUND),
        (house.tenant, 99, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await choose(house, tenant, dmarc)
        assert refused.value.code() is code


async def test_a_choice_goes_with_its_tenant(house: House) -> None:
    await choose(house, house.other, wire.DMARC_LIMIT_REJECT)
    await house.order.DeleteTenant(directory.DeleteTenantRequest(tenant=house.other))
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await chosen(house, house.other)
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND
