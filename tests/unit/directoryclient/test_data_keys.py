"""What is remembered of tenants' keys, when it is forgotten, and that nobody goes on without knowing."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from blobstore import BlobShredded, DataKey, KeysUnavailable, KeyUnknown, TenantGone
from directoryclient import data_keys
from directoryclient.data_keys import FRESH_SECONDS, HOLDS_SECONDS, SILENT_SECONDS, TenantKeys
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import keys_pb2 as wire

SECRET = b"s" * 32


class Stub:
    def __init__(self) -> None:
        self.asked: list[int] = []
        self.error: grpc.StatusCode | None = None
        self.answers: dict[int, wire.GetDataKeyResponse] = {}
        self.hangs: asyncio.Event | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def hold(self, version: int) -> None:
        held = wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_HELD, version=version, secret=SECRET)
        self.answers[0] = self.answers[version] = held

    async def GetDataKey(self, request: Any, timeout: float, wait_for_ready: bool) -> Any:
        self.asked.append(request.version)
        await asyncio.sleep(0)
        if self.hangs is not None:
            await self.hangs.wait()
        self.meanwhile()
        if self.error is not None:
            raise grpc.aio.AioRpcError(self.error, grpc.aio.Metadata(), grpc.aio.Metadata(), None, None)
        gone = wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_GONE)
        return self.answers.get(request.version, gone)


class Setting:
    def __init__(self) -> None:
        self.now = 0.0
        self.hears = True
        self.connections = 1
        self.stub = Stub()
        self.stub.hold(1)
        self.keys = TenantKeys(
            grpc.aio.insecure_channel("127.0.0.1:1"),
            hears_changes=lambda: self.hears,
            connections=lambda: self.connections,
            clock=lambda: self.now,
        )
        cast(Any, self.keys)._stub = self.stub

    def tell(self, **change: Any) -> None:
        self.keys.changed("", directory.DirectoryChanged(**change).SerializeToString())


async def test_one_question_for_all_who_ask_at_once() -> None:
    setting = Setting()
    found = await asyncio.gather(*(setting.keys.current("t") for _ in range(20)))
    assert set(found) == {DataKey(1, SECRET)}
    # The one that encrypts is known for reading too.
    assert await setting.keys.of("t", 1) == DataKey(1, SECRET)
    assert setting.stub.asked == [0]


async def test_who_does_not_encrypt_is_remembered_too() -> None:
    setting = Setting()
    setting.stub.answers[0] = wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_PLAIN)
    assert await setting.keys.current("t") is await setting.keys.current("t") is None
    assert setting.stub.asked == [0]


async def test_a_deleted_key_is_dropped_at_once() -> None:
    setting = Setting()
    await setting.keys.current("t")
    del setting.stub.answers[0], setting.stub.answers[1]
    setting.tell(tenant_id="t")
    with pytest.raises(BlobShredded):
        await setting.keys.of("t", 1)


async def test_for_a_tenant_that_is_gone_nothing_can_be_put_and_that_is_said_so() -> None:
    setting = Setting()
    setting.stub.answers.clear()
    with pytest.raises(TenantGone, match="no such tenant"):
        await setting.keys.current("t")


async def test_an_answer_that_a_change_overtook_is_not_kept() -> None:
    setting = Setting()
    setting.stub.meanwhile = lambda: setting.tell(tenant_id="t")
    await setting.keys.of("t", 1)
    setting.stub.meanwhile = lambda: None
    del setting.stub.answers[1]
    with pytest.raises(BlobShredded):
        await setting.keys.of("t", 1)


async def test_other_changes_forget_nothing() -> None:
    setting = Setting()
    await setting.keys.current("t")
    setting.tell(tenant_id="other")
    setting.tell(tenant_id="t", account_id="a")
    setting.tell(tenant_id="t", addresses=["a@b.test"])
    setting.tell(tenant_id="t", domains=["b.test"])
    await setting.keys.current("t")
    assert setting.stub.asked == [0]


async def test_a_rotation_is_seen_after_a_minute_though_nothing_was_heard() -> None:
    setting = Setting()
    await setting.keys.current("t")
    setting.stub.hold(2)
    setting.now = FRESH_SECONDS + 1
    assert await setting.keys.current("t") == DataKey(2, SECRET)
    assert await setting.keys.of("t", 1) == DataKey(1, SECRET)


async def test_while_the_directory_is_away_the_last_answer_holds_for_a_while() -> None:
    setting = Setting()
    await setting.keys.current("t")
    setting.stub.error = grpc.StatusCode.UNAVAILABLE
    setting.now = HOLDS_SECONDS - SILENT_SECONDS
    assert await setting.keys.current("t") == DataKey(1, SECRET)
    # Nobody waits for it again at once.
    assert await setting.keys.current("t") == DataKey(1, SECRET)
    assert setting.stub.asked == [0, 0]
    setting.now = HOLDS_SECONDS + 1
    with pytest.raises(KeysUnavailable):
        await setting.keys.current("t")


async def test_a_directory_that_says_nothing_holds_up_nobody_who_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data_keys, "HURRY_SECONDS", 0.01)
    setting = Setting()
    await setting.keys.current("t")
    setting.stub.hangs = asyncio.Event()
    setting.now = FRESH_SECONDS + 1
    assert await setting.keys.current("t") == DataKey(1, SECRET)
    # What it says at last is taken.
    setting.stub.hold(2)
    setting.stub.hangs.set()
    monkeypatch.setattr(data_keys, "HURRY_SECONDS", 30.0)
    setting.now += SILENT_SECONDS + 1
    assert await setting.keys.current("t") == DataKey(2, SECRET)
    assert setting.stub.asked == [0, 0]


@pytest.mark.parametrize("lost", ["bus", "connection", "change"])
async def test_without_knowing_nobody_goes_on(lost: str) -> None:
    setting = Setting()
    await setting.keys.current("t")
    setting.stub.error = grpc.StatusCode.UNAVAILABLE
    if lost == "bus":
        setting.hears = False
    elif lost == "connection":
        # It was away in between: a change may have been missed.
        setting.connections += 1
    else:
        setting.tell(tenant_id="t")
    with pytest.raises(KeysUnavailable):
        await setting.keys.current("t")
    with pytest.raises(KeysUnavailable):
        await setting.keys.of("t", 1)


async def test_nothing_is_kept_while_no_change_would_be_heard() -> None:
    setting = Setting()
    setting.hears = False
    for _ in range(2):
        assert await setting.keys.current("t") == DataKey(1, SECRET)
    assert setting.stub.asked == [0, 0]


async def test_a_directory_of_before_encrypts_nothing_and_has_no_keys() -> None:
    setting = Setting()
    setting.stub.error = grpc.StatusCode.UNIMPLEMENTED
    assert await setting.keys.current("t") is None
    with pytest.raises(KeysUnavailable):
        await setting.keys.of("t", 1)


async def test_a_tenant_that_is_not_there_stores_nothing() -> None:
    setting = Setting()
    setting.stub.answers.clear()
    with pytest.raises(KeysUnavailable):
        await setting.keys.current("t")


async def test_who_gives_up_waiting_takes_the_answer_from_nobody() -> None:
    setting = Setting()
    waiting = asyncio.create_task(setting.keys.current("t"))
    await asyncio.sleep(0)
    other = asyncio.create_task(setting.keys.current("t"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await other == DataKey(1, SECRET)
    assert setting.stub.asked == [0]


async def test_plaintext_in_memory_is_forgotten_when_keys_may_be_others() -> None:
    told: list[Callable[[str, bytes], None]] = []
    forgotten: list[str] = []

    class Bus:
        async def listen(self, subject: str, callback: Callable[[str, bytes], None]) -> None:
            assert subject == "directory.changed"
            told.append(callback)

    await data_keys.when_keys_change(cast(Any, Bus()), lambda: forgotten.append("all"))
    [tell] = told
    for change in (
        {"account_id": "a", "tenant_id": "t"},
        {"addresses": ["a@b.test"]},
        {"domains": ["b.test"]},
    ):
        tell("", directory.DirectoryChanged(**change).SerializeToString())
    assert forgotten == []
    tell("", directory.DirectoryChanged(tenant_id="t").SerializeToString())
    # What cannot be read may have been that.
    tell("", b"\xff\xff")
    assert forgotten == ["all", "all"]


async def test_a_key_of_which_the_directory_knows_nothing_is_waited_for_and_nothing_is_taken_for_shredded() -> (
    None
):
    setting = Setting()
    setting.stub.answers[7] = wire.GetDataKeyResponse(state=wire.DATA_KEY_STATE_UNKNOWN)
    for _ in range(2):
        with pytest.raises(KeyUnknown):
            await setting.keys.of("t", 7)
    assert setting.stub.asked == [7, 7]
    setting.stub.hold(7)
    assert await setting.keys.of("t", 7) == DataKey(7, SECRET)
