"""The short memory for passwords that were right: what it may and may not answer."""

from typing import Any, cast

import grpc
import pytest
from mailmodel import AccountRef
from mailwire.directory.v1 import directory_pb2
from pop3.adapters.directory import GrpcDirectory


class Stub:
    """Answers like the directory; counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.password = "secret"

    async def Authenticate(self, request: Any, timeout: float) -> Any:
        self.asked += 1
        return directory_pb2.AuthenticateResponse(
            granted=request.password == self.password,
            identity=directory_pb2.Identity(account_id="a", tenant_id="t", address=request.login),
        )


class Setting:
    def __init__(self, keep_seconds: float = 30.0) -> None:
        self.now = 0.0
        self.connected = True
        self.stub = Stub()
        self.directory = GrpcDirectory(
            grpc.aio.insecure_channel("127.0.0.1:1"),
            keep_seconds=keep_seconds,
            hears_changes=lambda: self.connected,
            clock=lambda: self.now,
        )
        cast(Any, self.directory)._stub = self.stub

    async def granted(self, login: str = "alice", password: str = "secret") -> bool:
        account = await self.directory.authenticate(login, password, "192.0.2.1")
        assert account in (None, AccountRef("t", "a"))
        return account is not None


async def test_a_yes_is_remembered_for_its_time() -> None:
    setting = Setting()
    assert await setting.granted()
    assert await setting.granted()
    assert setting.stub.asked == 1
    setting.now = 31.0
    assert await setting.granted()
    assert setting.stub.asked == 2


async def test_only_the_same_login_and_password_are_remembered() -> None:
    setting = Setting()
    assert await setting.granted("alice", "secret")
    assert not await setting.granted("alice", "wrong")
    assert not await setting.granted("alice", "wrong")
    assert not await setting.granted("alice s", "ecret")
    assert setting.stub.asked == 4


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (directory_pb2.DirectoryChanged(tenant_id="t", account_id="a"), 2),
        (directory_pb2.DirectoryChanged(tenant_id="t"), 2),
        (directory_pb2.DirectoryChanged(), 2),
        (directory_pb2.DirectoryChanged(tenant_id="other"), 1),
    ],
)
async def test_a_change_makes_it_forget(change: directory_pb2.DirectoryChanged, asked: int) -> None:
    setting = Setting()
    await setting.granted()
    setting.directory.changed("directory.changed", change.SerializeToString())
    await setting.granted()
    assert setting.stub.asked == asked


async def test_an_unreadable_change_makes_it_forget_all() -> None:
    setting = Setting()
    await setting.granted()
    setting.directory.changed("directory.changed", b"\xff\xff\xff")
    setting.stub.password = "new"
    assert not await setting.granted()


async def test_nothing_is_remembered_while_changes_are_not_heard() -> None:
    setting = Setting()
    await setting.granted()
    setting.connected = False
    await setting.granted()
    await setting.granted()
    setting.connected = True
    await setting.granted()
    assert setting.stub.asked == 4


async def test_zero_seconds_turn_it_off() -> None:
    setting = Setting(keep_seconds=0)
    await setting.granted()
    await setting.granted()
    assert setting.stub.asked == 2
