"""A change of one tenant takes no answers from another, and none that it may have made wrong stays."""

from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from directoryclient import DirectoryClient, Disposition, Throttled
from directoryclient.memory import MOST_HEARD, MOST_NAMES, Ages, Changes, Memory
from directoryclient.policies import TenantPolicies
from directoryclient.quotas import QuotaBook
from directoryclient.sharing import People
from directoryclient.signing import SigningKeys
from mailmodel import AccountRef
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1 import dkim_pb2 as dkim
from mailwire.directory.v1 import policy_pb2 as policy
from mailwire.directory.v1 import quota_pb2 as quota
from mailwire.directory.v1 import sharing_pb2 as sharing

Change = wire.DirectoryChanged
HERE = "192.0.2.1"


class Stub:
    """`whose`: tenants by address; who logs in with an address that is nobody's must wait."""

    def __init__(self) -> None:
        self.whose: dict[str, list[str]] = {"x@a.test": ["a"], "x@b.test": ["b"], "y@b.test": ["b"]}
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def ResolveRecipients(self, request: Any, timeout: float) -> Any:
        self.asked += request.addresses
        resolutions = [
            wire.Resolution(
                address=each,
                disposition=wire.DISPOSITION_DELIVER if each in self.whose else wire.DISPOSITION_REMOTE,
                tenant_id=next(iter(whose), ""),
                found_in_tenant_ids=whose,
            )
            for each in request.addresses
            for whose in [self.whose.get(each, [])]
        ]
        self.meanwhile()
        return wire.ResolveRecipientsResponse(resolutions=resolutions)

    async def Authenticate(self, request: Any, timeout: float) -> Any:
        self.asked.append(request.login)
        whose = self.whose.get(request.login)
        self.meanwhile()
        if whose is None:
            return wire.AuthenticateResponse(verdict=wire.VERDICT_THROTTLED, retry_after_seconds=9)
        identity = wire.Identity(account_id="1", tenant_id=whose[0], address=request.login)
        return wire.AuthenticateResponse(granted=True, identity=identity, remember_seconds=60)

    async def AuthenticateToken(self, request: Any, timeout: float) -> Any:
        return wire.AuthenticateTokenResponse(answer=await self.Authenticate(request, timeout))

    async def AuthenticateCertificate(self, request: Any, timeout: float) -> Any:
        return wire.AuthenticateCertificateResponse(answer=await self.Authenticate(request, timeout))

    async def GetTenantPolicy(self, request: Any, timeout: float) -> Any:
        self.asked.append(request.tenant)
        self.meanwhile()
        return policy.GetTenantPolicyResponse()

    async def GetAccountSettings(self, request: Any, timeout: float) -> Any:
        self.asked.append(request.account)
        self.meanwhile()
        return policy.GetAccountSettingsResponse(tenant_id=request.account[:-1])


class Setting:
    def __init__(self) -> None:
        self.stub = Stub()
        channel = grpc.aio.insecure_channel("127.0.0.1:1")
        self.client = DirectoryClient(channel, door="imap", hears_changes=lambda: True, clock=lambda: 0.0)
        self.policies = TenantPolicies(channel, hears_changes=lambda: True, clock=lambda: 0.0)
        cast(Any, self.client)._stub = cast(Any, self.policies)._stub = self.stub

    def tell(self, change: wire.DirectoryChanged) -> None:
        self.client.changed("", change.SerializeToString())
        self.policies.changed("", change.SerializeToString())

    async def resolved(self, *addresses: str) -> list[str]:
        """Those that had to be asked for."""
        self.stub.asked.clear()
        await self.client.resolve(addresses)
        return list(self.stub.asked)

    async def entered(self, *logins: str) -> list[str]:
        self.stub.asked.clear()
        for login in logins:
            await self.client.authenticate(login, "secret", HERE)
            await self.client.authenticate_token(login, "secret", HERE)
            await self.client.authenticate_certificate(login, b"secret", HERE)
        return list(self.stub.asked)

    async def chosen(self, *names: str) -> list[str]:
        self.stub.asked.clear()
        for name in names:
            await (self.policies.of(name) if len(name) == 1 else self.policies.of_account(name))
        return list(self.stub.asked)


OF_A = [
    Change(tenant_id="a"),
    Change(tenant_id="a", account_id="a1"),
    Change(tenant_id="a", account_id="a1", addresses=["x@a.test"]),
    Change(tenant_id="a", addresses=["new@a.test"]),
    Change(tenant_id="a", domains=["new.test"]),
]


@pytest.mark.parametrize("change", OF_A)
async def test_a_change_forgets_its_tenants_recipients_and_logins_and_no_others(change: Change) -> None:
    setting = Setting()
    await setting.resolved("x@a.test", "x@b.test")
    assert await setting.entered("x@a.test", "x@b.test") == ["x@a.test"] * 3 + ["x@b.test"] * 3
    setting.tell(change)
    assert await setting.resolved("x@a.test", "x@b.test") == ["x@a.test"]
    assert await setting.entered("x@a.test", "x@b.test") == ["x@a.test"] * 3


@pytest.mark.parametrize("change", OF_A)
async def test_what_is_nobodys_is_forgotten_at_every_change(change: Change) -> None:
    setting = Setting()
    assert await setting.resolved("x@new.test") == ["x@new.test"]
    with pytest.raises(Throttled):
        await setting.entered("new@a.test")
    setting.stub.whose |= {"x@new.test": ["a"], "new@a.test": ["a"]}
    with pytest.raises(Throttled):
        await setting.entered("new@a.test")
    setting.tell(change)
    (found,) = await setting.client.resolve(["x@new.test"])
    assert found.disposition is Disposition.DELIVER
    assert await setting.entered("new@a.test") == ["new@a.test"] * 3


async def test_an_answer_of_many_tenants_goes_with_a_change_of_any_of_them() -> None:
    setting = Setting()
    setting.stub.whose["all@a.test"] = ["a", "b"]
    setting.stub.whose["crowd@a.test"] = [str(each) for each in range(MOST_NAMES + 1)]
    # As a directory of before answers.
    setting.stub.whose["old@a.test"] = []
    every = ("all@a.test", "crowd@a.test", "old@a.test")
    await setting.resolved(*every)
    assert await setting.resolved(*every) == []
    setting.tell(Change(tenant_id="b", account_id="b1"))
    assert await setting.resolved(*every) == [*every]
    setting.tell(Change(tenant_id="c"))
    assert await setting.resolved(*every) == ["crowd@a.test", "old@a.test"]


@pytest.mark.parametrize("change", [Change(), Change(domains=["c.test"]), Change(account_id="c1")])
async def test_a_change_without_a_tenant_forgets_everything(change: Change) -> None:
    setting = Setting()
    await setting.resolved("x@a.test", "x@b.test")
    await setting.entered("x@a.test")
    await setting.chosen("a", "a1")
    setting.tell(change)
    assert await setting.resolved("x@a.test", "x@b.test") == ["x@a.test", "x@b.test"]
    assert await setting.entered("x@a.test") == ["x@a.test"] * 3
    assert await setting.chosen("a", "a1") == ["a", "a1"]


@pytest.mark.parametrize(
    "change",
    [
        Change(tenant_id="b", domains=["a.test"]),
        Change(tenant_id="b", addresses=["x@a.test"], account_id="b1"),
    ],
)
async def test_an_address_that_moved_to_another_tenant_is_asked_about_again(change: Change) -> None:
    """Though the change of the tenant that had it was not heard."""
    setting = Setting()
    setting.stub.whose["X@A.test"] = ["a"]
    await setting.resolved("x@a.test")
    await setting.entered("x@a.test", "X@A.test")
    setting.stub.whose["x@a.test"] = ["b"]
    setting.tell(change)
    (found,) = await setting.client.resolve(["x@a.test"])
    who = await setting.client.authenticate("x@a.test", "secret", HERE)
    assert who is not None
    assert (found.tenant_id, who.account.tenant_id) == ("b", "b")
    assert await setting.entered("X@A.test") == ["X@A.test"] * 3


async def test_an_answer_under_way_is_kept_unless_the_change_concerns_it() -> None:
    setting = Setting()
    setting.stub.meanwhile = lambda: setting.tell(Change(tenant_id="a"))
    asked = ("x@a.test", "x@b.test", "x@remote.test")
    await setting.resolved(*asked)
    await setting.entered("x@a.test", "x@b.test")
    await setting.chosen("a", "b", "a1", "b1")
    with pytest.raises(Throttled):
        await setting.client.authenticate("nobody", "secret", HERE)
    setting.stub.meanwhile = lambda: None
    assert await setting.resolved(*asked) == ["x@a.test", "x@remote.test"]
    assert await setting.entered("x@a.test", "x@b.test") == ["x@a.test"] * 3
    assert await setting.chosen("a", "b", "a1", "b1") == ["a", "a1"]
    setting.stub.asked.clear()
    with pytest.raises(Throttled):
        await setting.client.authenticate("nobody", "secret", HERE)
    assert setting.stub.asked == ["nobody"]
    # A gap of the bus meanwhile, and a change before this one that concerned it.
    for first, last in ((Change(), Change(tenant_id="a")), (Change(tenant_id="b"), Change(tenant_id="a"))):
        setting.tell(Change())

        def both(first: Change = first, last: Change = last) -> None:
            setting.tell(first)
            setting.tell(last)

        setting.stub.meanwhile = both
        await setting.resolved("y@b.test")
        setting.stub.meanwhile = lambda: None
        assert await setting.resolved("y@b.test") == ["y@b.test"]


async def test_a_tenants_change_forgets_its_policy_and_its_accounts_settings_and_no_others() -> None:
    setting = Setting()
    every = ("a", "b", "a1", "a2", "b1")
    await setting.chosen(*every)
    setting.tell(Change(tenant_id="a"))
    assert await setting.chosen(*every) == ["a", "a1", "a2"]
    setting.tell(Change(tenant_id="a", account_id="a1"))
    assert await setting.chosen(*every) == ["a1"]
    # As a directory of before answers: it does not say whose the account is.
    await setting.policies.of_account("1")
    setting.tell(Change(tenant_id="c"))
    setting.stub.asked.clear()
    await setting.policies.of_account("1")
    assert setting.stub.asked == ["1"]


def test_the_memory_is_bounded_and_holds_no_names_of_what_is_gone() -> None:
    memory: Memory[int, str] = Memory(3)
    for number in range(9):
        memory.keep(number % 5, "x", float(number), frozenset((f"t{number}", "all")))
    assert len(memory) == 3
    assert memory.recall(3, 9.0) is None
    assert memory.recall(2, 7.0) == "x"
    memory.keep(2, "y", 9.0, frozenset(("other",)))
    memory.forget(frozenset(("t7", "all")))
    assert (len(memory), memory.recall(2, 8.0)) == (1, "y")
    memory.forget(frozenset(("other", "nothing")))
    assert (len(memory), cast(Any, memory)._named) == (0, {})


def test_what_is_heard_while_an_answer_is_long_under_way_is_bounded() -> None:
    changes = Changes()
    with changes.under_way() as heard:
        for number in range(MOST_HEARD):
            changes.tell(frozenset((f"t{number}",)))
        assert not heard.concerns(frozenset(("other",)))
        changes.tell(frozenset(("one more",)))
        assert heard.concerns(frozenset(("other",)))
    assert not cast(Any, changes)._waiting


class Walled:
    """People and keys that sign, of tenants a and b."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        channel = grpc.aio.insecure_channel("127.0.0.1:1")
        self.people = People(channel, hears_changes=lambda: True, clock=lambda: 0.0)
        self.keys = SigningKeys(channel, hears_changes=lambda: True, clock=lambda: 0.0)
        cast(Any, self.people)._stub = cast(Any, self.keys)._stub = self

    async def DescribeAccounts(self, request: Any, timeout: float) -> Any:
        self.asked.append(f"people {request.tenant_id}")
        self.meanwhile()
        return sharing.DescribeAccountsResponse(
            accounts=[sharing.AccountDescription(account_id="1", address=f"x@{request.tenant_id}.test")]
        )

    async def GetSigningKeys(self, request: Any, timeout: float) -> Any:
        self.asked.append(f"keys {request.tenant_id}")
        self.meanwhile()
        return dkim.GetSigningKeysResponse()

    def tell(self, change: wire.DirectoryChanged) -> None:
        self.people.changed("", change.SerializeToString())
        self.keys.changed("", change.SerializeToString())

    async def asks(self) -> list[str]:
        self.asked.clear()
        for tenant_id in "ab":
            found = await self.people.by_id(tenant_id, ["1", "nobody"])
            assert [each.address for each in found.values()] == [f"x@{tenant_id}.test"]
            assert await self.people.by_address(tenant_id, "nobody@x.test") is None
            await self.keys.of(tenant_id, f"{tenant_id}.test")
        return list(dict.fromkeys(self.asked))


async def test_people_and_keys_that_sign_go_with_a_change_of_their_tenant_only() -> None:
    door = Walled()
    everything = ["people a", "keys a", "people b", "keys b"]
    assert await door.asks() == everything
    assert await door.asks() == []
    for change, forgotten in (
        (Change(tenant_id="a"), ["people a", "keys a"]),
        (Change(tenant_id="a", account_id="1", addresses=["x@a.test"]), ["people a"]),
        (Change(tenant_id="a", domains=["A.test"]), ["people a", "keys a"]),
        # A domain that moved: the keys of before sign nothing.
        (Change(tenant_id="b", domains=["a.test"]), ["keys a", "people b"]),
        (Change(), everything),
    ):
        door.tell(change)
        assert await door.asks() == forgotten
        assert await door.asks() == []
    # Answers that were under way.
    for change, forgotten in ((Change(tenant_id="a"), ["people a", "keys a"]), (Change(), everything)):
        door.tell(Change())

        def tell(change: Change = change) -> None:
            door.tell(change)

        door.meanwhile = tell
        await door.asks()
        door.meanwhile = lambda: None
        assert await door.asks() == forgotten


async def test_limits_grow_old_with_a_change_of_their_tenant_or_account_only() -> None:
    asked: list[str] = []
    meanwhile: list[Change] = []
    book = QuotaBook(grpc.aio.insecure_channel("127.0.0.1:1"), hears_changes=lambda: True, clock=lambda: 0.0)

    class Directory:
        async def ListQuotas(self, request: Any, timeout: float) -> Any:
            asked.extend(request.account_ids)
            for change in meanwhile:
                book.changed("", change.SerializeToString())
            return quota.ListQuotasResponse(
                quotas=[quota.AccountQuota(account_id=each, octets=5) for each in request.account_ids]
            )

    cast(Any, book)._stub = Directory()

    async def asks() -> list[str]:
        asked.clear()
        limits = await book.limits([AccountRef(each[0], each) for each in ("a1", "a2", "b1")])
        assert {each.octets for each in limits.values()} == {5}
        assert len(limits) == 3
        return list(asked)

    assert (await asks(), await asks()) == (["a1", "a2", "b1"], [])
    for change, old in (
        (Change(tenant_id="a"), ["a1", "a2"]),
        (Change(tenant_id="a", account_id="a1"), ["a1"]),
        (Change(tenant_id="a", addresses=["x@a.test"]), []),
        (Change(), ["a1", "a2", "b1"]),
    ):
        book.changed("", change.SerializeToString())
        assert (await asks(), await asks()) == (old, [])
        # While it was under way for all.
        book.changed("", b"")
        meanwhile.append(change)
        assert await asks() == ["a1", "a2", "b1"]
        meanwhile.clear()
        assert (await asks(), await asks()) == (old, [])


def test_what_changed_when_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directoryclient.memory.MOST_CHANGED", 2)
    ages = Ages()
    for name in ("a", "b", "a", "b"):
        ages.tell(name)
    assert ages.holds(0, "c")
    assert not ages.holds(3, "c", "b")
    assert ages.holds(4, "a", "b")
    asked = ages.now
    ages.tell("c")
    assert not ages.holds(asked, "d"), "one more than can be told apart"
    assert ages.holds(ages.now, "a", "b", "c", "d")


@pytest.mark.parametrize(
    "change", [Change(), Change(tenant_id="a"), Change(tenant_id="b", domains=["a.test"])]
)
async def test_no_way_in_keeps_a_yes_that_a_change_overtook(change: Change) -> None:
    setting = Setting()
    client = setting.client
    for enter in (
        lambda: client.authenticate("x@a.test", "secret", HERE),
        lambda: client.authenticate_token("x@a.test", "secret", HERE),
        lambda: client.authenticate_certificate("x@a.test", b"secret", HERE),
        lambda: client.resolve(["x@a.test"]),
    ):
        setting.stub.meanwhile = lambda: setting.tell(change)
        await enter()
        setting.stub.meanwhile = lambda: None
        setting.stub.asked.clear()
        await enter()
        await enter()
        assert setting.stub.asked == ["x@a.test"]
