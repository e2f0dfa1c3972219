"""How much accounts may keep, over gRPC: their own choice before their tenant's, many at once, one process's memory."""

from typing import Any, cast

import grpc
import pytest
from directoryclient.quotas import QuotaBook
from mailmodel import AccountRef, QuotaLimits
from mailwire.directory.v1 import policy_pb2 as policy
from mailwire.directory.v1 import quota_pb2 as wire

from .conftest import House


async def choose(house: House, **fields: int) -> None:
    wished = policy.TenantPolicy(**fields)  # type: ignore[arg-type]
    await house.policies.SetTenantPolicy(
        policy.SetTenantPolicyRequest(tenant=house.tenant, policy=wished, only=list(fields))
    )


async def ask(house: House, *account_ids: str) -> dict[str, tuple[int, int, int]]:
    answer = await house.quotas.ListQuotas(wire.ListQuotasRequest(account_ids=account_ids))
    return {each.account_id: (each.octets, each.messages, each.tenant_octets) for each in answer.quotas}


async def test_an_accounts_own_choice_goes_before_its_tenants(house: House) -> None:
    ann, bob = [(await house.account(house.at(name))).account_id for name in ("ann", "bob")]
    assert await ask(house, ann, bob) == {}
    await choose(house, account_quota_octets=2**40, tenant_quota_octets=2**50)
    settings = policy.AccountSettings(quota_octets=1000, quota_messages=7)
    await house.policies.SetAccountSettings(
        policy.SetAccountSettingsRequest(account=house.at("ann"), settings=settings)
    )
    assert await ask(house, ann, bob) == {ann: (1000, 7, 2**50), bob: (2**40, 0, 2**50)}


async def test_what_is_no_account_is_refused_and_who_is_unknown_left_out(house: House) -> None:
    assert await ask(house, "00000000-0000-0000-0000-000000000000") == {}
    for account_ids in (["nobody"], ["00000000-0000-0000-0000-000000000000"] * 1001):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(house, *account_ids)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Away:
    """A directory that counts how often it is asked, and may be away."""

    def __init__(self, house: House) -> None:
        self.asked, self.is_away, self._house = 0, False, house

    async def ListQuotas(self, request: wire.ListQuotasRequest, timeout: float) -> wire.ListQuotasResponse:
        self.asked += 1
        if self.is_away:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "away", None
            )
        answer: wire.ListQuotasResponse = await self._house.quotas.ListQuotas(request)
        return answer


async def test_one_process_remembers_until_it_hears_of_a_change(house: House) -> None:
    ann = AccountRef(house.tenant_id, (await house.account(house.at("ann"))).account_id)
    now = [0.0]
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    book = QuotaBook(channel, hears_changes=lambda: True, clock=lambda: now[0])
    directory = Away(house)
    cast(Any, book)._stub = directory
    assert await book.limits([ann]) == await book.limits([ann]) == {}
    assert directory.asked == 1
    await choose(house, account_quota_octets=5)
    book.changed("directory.changed", b"")
    assert await book.limits([ann]) == {ann.account_id: QuotaLimits(octets=5)}
    # What it said last holds while it is away, and nobody waits for it at each delivery.
    directory.is_away, directory.asked = True, 0
    book.changed("directory.changed", b"")
    for _ in range(3):
        assert await book.limits([ann]) == {ann.account_id: QuotaLimits(octets=5)}
    assert directory.asked == 1
    directory.is_away, now[0] = False, 6.0
    await choose(house, account_quota_octets=0)
    assert await book.limits([ann]) == {}
    await channel.close(None)
