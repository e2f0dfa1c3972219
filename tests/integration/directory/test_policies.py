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
        (house.tenant, wire.DmarcLimit.ValueType(99), grpc.StatusCode.INVALID_ARGUMENT),
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


async def test_a_change_of_some_fields_leaves_the_others(house: House) -> None:
    async def change(policy: wire.TenantPolicy, *only: str) -> wire.TenantPolicy:
        request = wire.SetTenantPolicyRequest(tenant=house.tenant, policy=policy, only=only)
        return wire.TenantPolicy.FromString(
            (await house.policies.SetTenantPolicy(request)).policy.SerializeToString()
        )

    await change(wire.TenantPolicy(greylisting=True, junk_score=0.0, tenant_quota_octets=2**40))
    changed = await change(wire.TenantPolicy(allowed_senders=["@a.test"]), "allowed_senders", "greylisting")
    assert changed == wire.TenantPolicy(
        junk_score=0.0, tenant_quota_octets=2**40, allowed_senders=["@a.test"]
    )
    assert await chosen(house, house.tenant) == changed
    for policy, only in (
        (wire.TenantPolicy(), "no_such_field"),
        (wire.TenantPolicy(scanner_down="panic"), "scanner_down"),
        (wire.TenantPolicy(allowed_senders=["everybody"]), "allowed_senders"),
        (wire.TenantPolicy(allowed_senders=["a@b.test\r\n"]), "allowed_senders"),
        (wire.TenantPolicy(junk_score=float("nan")), "junk_score"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await change(policy, only)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, only
    assert await chosen(house, house.tenant) == changed
