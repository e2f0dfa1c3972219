"""What is remembered of keys that sign, and when it is forgotten."""

from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from directoryclient import Unavailable
from directoryclient.signing import KEPT_SECONDS, SigningKeys
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import dkim_pb2 as wire
from senderauth.dkim import Algorithm, generate_pem

PEM = generate_pem(Algorithm.ED25519_SHA256)


class Stub:
    """A directory where everybody has one key."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.away = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def GetSigningKeys(self, request: Any, timeout: float) -> Any:
        self.asked.append((request.tenant_id, request.domain))
        self.meanwhile()
        if self.away:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), None, None
            )
        return wire.GetSigningKeysResponse(keys=[wire.SigningKey(selector="s", private_key=PEM)])


class Setting:
    def __init__(self) -> None:
        self.now = 0.0
        self.hears = True
        self.stub = Stub()
        self.keys = SigningKeys(
            grpc.aio.insecure_channel("127.0.0.1:1"),
            hears_changes=lambda: self.hears,
            clock=lambda: self.now,
        )
        cast(Any, self.keys)._stub = self.stub

    async def ask(self, tenant: str = "t", domain: str = "a.test") -> None:
        [key] = await self.keys.of(tenant, domain)
        assert (key.domain, key.selector) == (domain, "s")


async def test_they_are_remembered_for_a_while() -> None:
    setting = Setting()
    for _ in range(3):
        await setting.ask()
    assert len(setting.stub.asked) == 1
    setting.now = KEPT_SECONDS + 1
    await setting.ask()
    assert len(setting.stub.asked) == 2


async def test_each_tenant_and_domain_has_its_own() -> None:
    setting = Setting()
    for tenant, domain in (("t", "a.test"), ("u", "a.test"), ("t", "b.test")):
        await setting.ask(tenant, domain)
    assert setting.stub.asked == [("t", "a.test"), ("u", "a.test"), ("t", "b.test")]


async def test_a_change_forgets_them_also_one_that_came_meanwhile() -> None:
    setting = Setting()
    setting.stub.meanwhile = lambda: setting.keys.changed("", b"")
    await setting.ask()
    setting.stub.meanwhile = lambda: None
    await setting.ask()
    await setting.ask()
    assert len(setting.stub.asked) == 2
    setting.keys.changed("", b"")
    await setting.ask()
    assert len(setting.stub.asked) == 3


@pytest.mark.parametrize(
    ("change", "asked_again"),
    [
        (directory.DirectoryChanged(tenant_id="t", domains=["a.test"]), ["a.test"]),
        (directory.DirectoryChanged(tenant_id="t", domains=["a.test"], addresses=["x@a.test"]), ["a.test"]),
        (directory.DirectoryChanged(tenant_id="t"), ["a.test", "b.test"]),
        (directory.DirectoryChanged(tenant_id="t", account_id="1", addresses=["x@a.test"]), []),
        (directory.DirectoryChanged(tenant_id="t", addresses=["x@a.test"]), []),
    ],
)
async def test_only_what_a_change_concerns_is_forgotten(
    change: directory.DirectoryChanged, asked_again: list[str]
) -> None:
    setting = Setting()
    for _ in range(2):
        for domain in ("a.test", "b.test"):
            await setting.ask(domain=domain)
        setting.keys.changed("", change.SerializeToString())
    assert [domain for _, domain in setting.stub.asked[2:]] == asked_again


async def test_nothing_is_remembered_while_no_change_would_be_heard() -> None:
    setting = Setting()
    await setting.ask()
    setting.hears = False
    await setting.ask()
    setting.hears = True
    await setting.ask()
    assert len(setting.stub.asked) == 3


async def test_a_directory_that_is_away_is_said_to_be() -> None:
    setting = Setting()
    setting.stub.away = True
    with pytest.raises(Unavailable):
        await setting.keys.of("t", "a.test")
