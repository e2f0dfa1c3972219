"""The short memory for answers of the directory: what it may and may not say."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import grpc
import pytest
from directoryclient import DirectoryClient, Disposition, Identity, Throttled, Unavailable
from directoryclient.client import RETRY_SECONDS, _identity
from mailmodel import AccountRef
from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram_exchange import Candidate, Offer
from mailwire.directory.v1 import directory_pb2 as wire

ALICE = Identity(AccountRef("t", "a"), "alice@a.test", "default")


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), None, None)


class Stub:
    """Answers like the directory; counts, and fails as it is told."""

    def __init__(self, setting: "Setting") -> None:
        self._setting = setting
        self.logins = 0
        self.asked: list[list[str]] = []
        self.password = "secret"
        self.fails: list[grpc.StatusCode] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.remember_seconds: float | None = None
        self.wait_seconds = 0.0
        self.iterations = 4096
        self.stored_key = b"stored"

    def _fail_or_go_on(self) -> None:
        self.meanwhile()
        if self.fails:
            self._setting.now += 1.0
            raise failure(self.fails.pop(0))

    async def Authenticate(self, request: Any, timeout: float) -> Any:
        self.logins += 1
        self._fail_or_go_on()
        if self.wait_seconds:
            return wire.AuthenticateResponse(
                verdict=wire.VERDICT_THROTTLED, retry_after_seconds=self.wait_seconds
            )
        return wire.AuthenticateResponse(
            remember_seconds=self.remember_seconds,
            granted=request.password == self.password,
            identity=wire.Identity(account_id="a", tenant_id="t", address="alice@a.test", store="default"),
        )

    async def StartScram(self, request: Any, timeout: float) -> Any:
        self._fail_or_go_on()
        if self.wait_seconds:
            return wire.StartScramResponse(
                verdict=wire.VERDICT_THROTTLED, retry_after_seconds=self.wait_seconds
            )
        candidate = wire.ScramCandidate(credential_id="c1", stored_key=self.stored_key, server_key=b"server")
        return wire.StartScramResponse(
            salt=b"salt", iterations=self.iterations, candidates=[candidate] * (request.login == "alice")
        )

    async def FinishScram(self, request: Any, timeout: float) -> Any:
        assert (request.door, request.client_address) == ("pop3", "192.0.2.1")
        password = self.password if request.credential_id == "c1" else ""
        asked = wire.AuthenticateRequest(login=request.login, password=password)
        return wire.FinishScramResponse(answer=await self.Authenticate(asked, timeout))

    async def AuthenticateToken(self, request: Any, timeout: float) -> Any:
        assert (request.door, request.client_address) == ("pop3", "192.0.2.1")
        asked = wire.AuthenticateRequest(login=request.login, password=request.token)
        answer = await self.Authenticate(asked, timeout)
        return wire.AuthenticateTokenResponse(
            answer=answer,
            scope="" if answer.granted else "mail",
            openid_configuration="" if answer.granted else "https://id",
        )

    async def ResolveRecipients(self, request: Any, timeout: float) -> Any:
        self.asked.append(list(request.addresses))
        self._fail_or_go_on()
        return wire.ResolveRecipientsResponse(
            resolutions=[
                wire.Resolution(
                    address=address,
                    disposition=wire.DISPOSITION_DELIVER,
                    targets=[wire.Target(address=address, tenant_id="t", account_id="")],
                    found_in_tenant_ids=["t"],
                )
                for address in request.addresses
            ]
        )


class Setting:
    def __init__(self, login_seconds: float = 30.0) -> None:
        self.now = 0.0
        self.connected = True
        self.stub = Stub(self)
        self.client = DirectoryClient(
            grpc.aio.insecure_channel("127.0.0.1:1"),
            door="pop3",
            login_seconds=login_seconds,
            hears_changes=lambda: self.connected,
            clock=lambda: self.now,
        )
        cast(Any, self.client)._stub = self.stub

    async def granted(
        self, login: str = "alice", password: str = "secret", address: str = "192.0.2.1"
    ) -> bool:
        who = await self.client.authenticate(login, password, address)
        assert who in (None, ALICE)
        return who is not None

    async def resolve(self, *addresses: str) -> Sequence[str]:
        found = await self.client.resolve(addresses)
        assert all(each.disposition is Disposition.DELIVER for each in found)
        assert all(target.account_id is None for each in found for target in each.targets)
        return [each.targets[0].address for each in found]


async def test_a_yes_is_remembered_for_its_time() -> None:
    setting = Setting()
    assert await setting.granted()
    assert await setting.granted()
    assert setting.stub.logins == 1
    setting.now = 31.0
    assert await setting.granted()
    assert setting.stub.logins == 2


async def test_only_the_same_login_and_password_are_remembered() -> None:
    setting = Setting()
    assert await setting.granted("alice", "secret")
    assert not await setting.granted("alice", "wrong")
    assert not await setting.granted("alice", "wrong")
    assert not await setting.granted("alice s", "ecret")
    assert setting.stub.logins == 4


async def test_the_same_password_from_elsewhere_is_asked_for_again() -> None:
    setting = Setting()
    assert await setting.granted()
    assert await setting.granted(address="192.0.2.2")
    assert setting.stub.logins == 2


async def test_the_directory_may_want_a_yes_forgotten_sooner() -> None:
    setting = Setting()
    setting.stub.remember_seconds = 5.0
    await setting.granted()
    setting.now = 5.0
    await setting.granted()
    assert setting.stub.logins == 1
    setting.now = 5.1
    await setting.granted()
    assert setting.stub.logins == 2
    setting.stub.remember_seconds = 0.0
    setting.now = 20.0
    await setting.granted()
    await setting.granted()
    assert setting.stub.logins == 4


async def test_who_must_wait_is_told_so_and_asks_nobody_meanwhile() -> None:
    setting = Setting()
    setting.stub.wait_seconds = 60.0
    with pytest.raises(Throttled) as caught:
        await setting.granted()
    assert caught.value.retry_after_seconds == 60
    assert isinstance(caught.value, Unavailable), "a door that knows nothing of it says: later"
    setting.stub.wait_seconds = 0.0
    setting.now = 4.0
    with pytest.raises(Throttled) as caught:
        await setting.granted(password="another")
    assert caught.value.retry_after_seconds == 1
    assert setting.stub.logins == 1
    # Others, and the same one from elsewhere, do not wait.
    assert await setting.granted(login="bob")
    assert await setting.granted(address="192.0.2.2")
    setting.now = 5.1
    assert await setting.granted()


async def test_a_wait_that_was_lifted_is_over_at_once() -> None:
    setting = Setting()
    setting.stub.wait_seconds = 60.0
    with pytest.raises(Throttled):
        await setting.granted()
    setting.stub.wait_seconds = 0.0
    setting.client.changed("directory.changed", b"")
    assert await setting.granted()


async def test_recipients_are_remembered_one_by_one_and_answered_in_order() -> None:
    setting = Setting()
    assert await setting.resolve("x@a.test", "y@a.test") == ["x@a.test", "y@a.test"]
    assert await setting.resolve("z@a.test", "y@a.test", "z@a.test") == ["z@a.test", "y@a.test", "z@a.test"]
    assert setting.stub.asked == [["x@a.test", "y@a.test"], ["z@a.test"]]
    setting.now = 31.0
    await setting.resolve("y@a.test")
    assert setting.stub.asked[2:] == [["y@a.test"]]


@pytest.mark.parametrize(
    "payload", [wire.DirectoryChanged(tenant_id="t").SerializeToString(), b"", b"\xff\xff\xff"]
)
async def test_its_tenants_change_and_one_of_no_tenant_make_it_forget_all(payload: bytes) -> None:
    setting = Setting()
    await setting.granted()
    await setting.resolve("x@a.test")
    setting.client.changed("directory.changed", payload)
    setting.stub.password = "new"
    assert not await setting.granted()
    await setting.resolve("x@a.test")
    assert len(setting.stub.asked) == 2


async def test_an_answer_that_was_under_way_while_a_change_came_is_not_kept() -> None:
    setting = Setting()
    setting.stub.meanwhile = lambda: setting.client.changed("directory.changed", b"")
    assert await setting.granted()
    await setting.resolve("x@a.test")
    setting.stub.meanwhile = lambda: None
    await setting.granted()
    await setting.resolve("x@a.test")
    assert (setting.stub.logins, len(setting.stub.asked)) == (2, 2)


async def test_nothing_is_remembered_while_changes_are_not_heard() -> None:
    setting = Setting()
    await setting.granted()
    setting.connected = False
    await setting.granted()
    await setting.resolve("x@a.test")
    await setting.granted()
    setting.connected = True
    await setting.granted()
    await setting.resolve("x@a.test")
    assert (setting.stub.logins, len(setting.stub.asked)) == (4, 2)


async def test_zero_seconds_turn_the_memory_for_logins_off() -> None:
    setting = Setting(login_seconds=0)
    await setting.granted()
    await setting.granted()
    assert setting.stub.logins == 2


async def test_a_login_waits_for_a_directory_that_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directoryclient.client.asyncio.sleep", _no_time)
    setting = Setting()
    setting.stub.fails = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]
    assert await setting.granted()
    assert setting.stub.logins == 3


@pytest.mark.parametrize(
    ("code", "tries"),
    [(grpc.StatusCode.UNAVAILABLE, RETRY_SECONDS + 1), (grpc.StatusCode.DEADLINE_EXCEEDED, 1)],
)
async def test_it_gives_up_and_says_so(
    monkeypatch: pytest.MonkeyPatch, code: grpc.StatusCode, tries: int
) -> None:
    monkeypatch.setattr("directoryclient.client.asyncio.sleep", _no_time)
    setting = Setting()
    setting.stub.fails = [code] * 20
    with pytest.raises(Unavailable, match=code.name):
        await setting.granted()
    assert setting.stub.logins == tries
    with pytest.raises(Unavailable, match=code.name):
        await setting.resolve("x@a.test")


async def _no_time(_seconds: float) -> None:
    return


async def test_scram_asks_for_the_keys_and_tells_what_the_proof_came_to() -> None:
    setting = Setting()
    offer = await setting.client.start_scram("alice", "192.0.2.1")
    c1 = offer.candidates[0].credential_id
    assert offer == Offer(b"salt", 4096, (Candidate(c1, b"stored", b"server"),))
    assert (await setting.client.start_scram("nobody", "192.0.2.1")).candidates == ()
    assert await setting.client.finish_scram("alice", c1, "192.0.2.1") == ALICE
    # Each proof is decided by the directory: there is nothing that could be remembered.
    assert await setting.client.finish_scram("alice", c1, "192.0.2.1") == ALICE
    assert await setting.client.finish_scram("alice", "", "192.0.2.1") is None
    assert setting.stub.logins == 3


async def test_an_exchange_that_was_begun_before_the_password_was_changed_proves_nothing() -> None:
    setting = Setting()

    async def finish(offer: Offer) -> Identity | None:
        return await setting.client.finish_scram("alice", offer.candidates[0].credential_id, "192.0.2.1")

    offer = await setting.client.start_scram("alice", "192.0.2.1")
    # Something else changed.
    setting.client.changed("directory.changed", b"")
    assert await finish(offer) == ALICE
    setting.stub.stored_key = b"another"
    setting.client.changed("directory.changed", b"")
    assert await finish(offer) is None
    offer = await setting.client.start_scram("alice", "192.0.2.1")
    assert await finish(offer) == ALICE
    # Of a change while the bus is away nobody hears.
    setting.connected, setting.stub.stored_key = False, b"yet another"
    assert await finish(offer) is None
    assert setting.stub.logins == 4, "the directory decides, and counts a wrong one"


async def test_scram_of_one_who_must_wait_and_of_a_directory_without_keys() -> None:
    setting = Setting()
    setting.stub.wait_seconds = 60.0
    with pytest.raises(Throttled):
        await setting.client.start_scram("alice", "192.0.2.1")
    with pytest.raises(Throttled):
        await setting.client.finish_scram("alice", "c1", "192.0.2.1")
    setting.stub.wait_seconds = 0.0
    setting.stub.iterations = 0
    with pytest.raises(Unavailable, match="no SCRAM"):
        await setting.client.start_scram("alice", "192.0.2.1")
    setting.stub.fails = [grpc.StatusCode.DEADLINE_EXCEEDED] * 2
    with pytest.raises(Unavailable, match="DEADLINE"):
        await setting.client.start_scram("alice", "192.0.2.1")
    with pytest.raises(Unavailable, match="DEADLINE"):
        await setting.client.finish_scram("alice", "c1", "192.0.2.1")


async def test_a_token_is_remembered_only_as_long_as_the_directory_says() -> None:
    setting = Setting()

    async def enter(token: str = "secret", login: str = "alice") -> object:
        return await setting.client.authenticate_token(login, token, "192.0.2.1")

    assert await enter() == ALICE
    assert await enter() == ALICE
    assert setting.stub.logins == 2, "unset: not at all"
    setting.stub.remember_seconds = 10.0
    assert await enter() == ALICE
    assert await enter() == ALICE
    assert setting.stub.logins == 3
    assert await setting.granted() is True
    assert setting.stub.logins == 4, "a token is no password"
    setting.now = 11.0
    assert await enter("wrong") == TokenRefusal("invalid_token", "mail", "https://id")
    setting.client.changed("", b"")
    assert await enter() == ALICE
    assert setting.stub.logins == 6
    setting.stub.wait_seconds = 2.0
    with pytest.raises(Throttled):
        await enter("other")


async def test_for_whom_an_account_may_send() -> None:
    found = wire.Identity(may_send_as=["Sales@A.test"], may_send_on_behalf_of=["boss@a.test"])
    who = _identity(wire.AuthenticateResponse(granted=True, identity=found))
    assert who is not None
    assert (who.may_send_as, who.may_send_on_behalf_of) == (
        frozenset({"sales@a.test"}),
        frozenset({"boss@a.test"}),
    )
