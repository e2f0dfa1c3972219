"""What is remembered of tenants' choices, and when it is forgotten."""

from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from directoryclient import Unavailable
from directoryclient.policies import KEPT_SECONDS, TenantPolicies, TenantPolicy
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import policy_pb2 as wire


class Stub:
    def __init__(self) -> None:
        self.asked = 0
        self.error: grpc.StatusCode | None = None
        self.dmarc = wire.DMARC_LIMIT_REJECT
        self.meanwhile: Callable[[], None] = lambda: None

    async def GetTenantPolicy(self, request: Any, timeout: float) -> Any:
        self.asked += 1
        self.meanwhile()
        if self.error is not None:
            raise grpc.aio.AioRpcError(self.error, grpc.aio.Metadata(), grpc.aio.Metadata(), None, None)
        return wire.GetTenantPolicyResponse(policy=wire.TenantPolicy(dmarc=self.dmarc))

    async def GetAccountSettings(self, request: Any, timeout: float) -> Any:
        return wire.GetAccountSettingsResponse(settings=wire.AccountSettings(locale="en"))


class Setting:
    def __init__(self) -> None:
        self.now = 0.0
        self.hears = True
        self.stub = Stub()
        self.policies = TenantPolicies(
            grpc.aio.insecure_channel("127.0.0.1:1"),
            hears_changes=lambda: self.hears,
            clock=lambda: self.now,
        )
        cast(Any, self.policies)._stub = self.stub

    async def ask(self) -> str:
        return (await self.policies.of("t")).dmarc

    def tell(self, change: directory.DirectoryChanged) -> None:
        self.policies.changed("", change.SerializeToString())


async def test_it_is_remembered_for_a_while() -> None:
    setting = Setting()
    assert {await setting.ask() for _ in range(3)} == {"reject"}
    assert setting.stub.asked == 1
    setting.now = KEPT_SECONDS + 1
    setting.stub.dmarc = wire.DMARC_LIMIT_UNSPECIFIED
    assert await setting.ask() == ""


async def test_what_is_remembered_can_be_had_without_asking_and_goes_as_the_rest_does() -> None:
    setting = Setting()
    assert setting.policies.remembered_of_account("a") is None
    chosen = await setting.policies.of_account("a")
    assert setting.policies.remembered_of_account("a") == chosen
    # Another's change is none of it.
    setting.tell(directory.DirectoryChanged(tenant_id="t", account_id="b"))
    assert setting.policies.remembered_of_account("a") == chosen
    setting.tell(directory.DirectoryChanged(tenant_id="t", account_id="a"))
    assert setting.policies.remembered_of_account("a") is None
    await setting.policies.of_account("a")
    setting.tell(directory.DirectoryChanged(tenant_id="t"))
    assert setting.policies.remembered_of_account("a") is None
    await setting.policies.of_account("a")
    setting.hears = False
    assert setting.policies.remembered_of_account("a") is None


async def test_a_change_of_a_tenant_forgets_it_and_others_do_not() -> None:
    setting = Setting()
    await setting.ask()
    for change in (
        directory.DirectoryChanged(tenant_id="t", account_id="1"),
        directory.DirectoryChanged(tenant_id="t", addresses=["a@b.test"]),
        directory.DirectoryChanged(tenant_id="t", domains=["b.test"]),
    ):
        setting.tell(change)
    await setting.ask()
    assert setting.stub.asked == 1
    setting.tell(directory.DirectoryChanged(tenant_id="t"))
    setting.stub.meanwhile = lambda: setting.tell(directory.DirectoryChanged(tenant_id="t"))
    await setting.ask()
    setting.stub.meanwhile = lambda: None
    await setting.ask()
    assert setting.stub.asked == 3


async def test_nothing_is_remembered_while_no_change_would_be_heard() -> None:
    setting = Setting()
    setting.hears = False
    await setting.ask()
    await setting.ask()
    assert setting.stub.asked == 2


async def test_a_tenant_that_is_gone_has_chosen_nothing() -> None:
    setting = Setting()
    setting.stub.error = grpc.StatusCode.NOT_FOUND
    assert await setting.policies.of("t") == TenantPolicy()
    setting.stub.error = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(Unavailable):
        await setting.ask()
