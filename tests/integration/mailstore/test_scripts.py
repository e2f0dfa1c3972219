"""Sieve scripts of accounts: several by name, at most one active, walled in."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from mailmodel import AccountRef
from mailstore import MailStore, ScriptActive, ScriptExists, ScriptMissing, ScriptStore, TooManyScripts
from mailstore.scripts import VERSIONS_KEPT, VERSIONS_OF_ACCOUNT

from tests.support.engines import Engines


@pytest.fixture
async def scripts(engines: Engines) -> AsyncIterator[ScriptStore]:
    store = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda _change: None)
    yield store.scripts
    await store.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


async def put(scripts: ScriptStore, account: AccountRef, *names: str) -> None:
    for name in names:
        await scripts.put(account, name, name.encode(), most=9)


async def names(scripts: ScriptStore, account: AccountRef) -> list[tuple[str, bool]]:
    return [(each.name, each.is_active) for each in await scripts.listing(account)]


async def test_one_is_active_at_most(scripts: ScriptStore, account: AccountRef) -> None:
    await put(scripts, account, "b", "a")
    assert await names(scripts, account) == [("a", False), ("b", False)]
    assert await scripts.active(account) is None
    await scripts.activate(account, "a")
    await scripts.activate(account, "b")
    assert await names(scripts, account) == [("a", False), ("b", True)]
    assert await scripts.active(account) == b"b"
    with pytest.raises(ScriptMissing):
        await scripts.activate(account, "none")
    assert await scripts.active(account) == b"b"
    await scripts.activate(account, "")
    assert await scripts.active_digests([account]) == {}


async def test_what_is_put_again_is_replaced_and_stays_active(
    scripts: ScriptStore, account: AccountRef
) -> None:
    await put(scripts, account, "a")
    await scripts.activate(account, "a")
    before = await scripts.active_digests([account])
    await scripts.put(account, "a", b"keep;", most=1)
    assert (await scripts.active(account), await scripts.get(account, "a")) == (b"keep;", b"keep;")
    after = await scripts.active_digests([account])
    assert before.keys() == after.keys() == {account.account_id}
    assert before != after


async def test_what_cannot_be_done_changes_nothing(scripts: ScriptStore, account: AccountRef) -> None:
    await put(scripts, account, "a", "b")
    await scripts.activate(account, "a")
    with pytest.raises(TooManyScripts):
        await scripts.put(account, "c", b"", most=2)
    with pytest.raises(ScriptActive):
        await scripts.delete(account, "a")
    with pytest.raises(ScriptExists):
        await scripts.rename(account, "a", "b")
    for work in (scripts.delete(account, "c"), scripts.rename(account, "c", "d"), scripts.get(account, "c")):
        with pytest.raises(ScriptMissing):
            await work
    assert await names(scripts, account) == [("a", True), ("b", False)]
    await scripts.rename(account, "a", "c")
    await scripts.delete(account, "b")
    assert await names(scripts, account) == [("c", True)]


async def test_another_tenants_scripts_look_like_none(scripts: ScriptStore, account: AccountRef) -> None:
    await put(scripts, account, "a")
    await scripts.activate(account, "a")
    stranger = AccountRef(str(uuid4()), account.account_id)
    assert await scripts.listing(stranger) == []
    assert await scripts.active(stranger) is None
    with pytest.raises(ScriptMissing):
        await scripts.get(stranger, "a")


async def test_a_handle_is_remembered_once_until_its_time_is_over(
    scripts: ScriptStore, account: AccountRef
) -> None:
    await put(scripts, account, "a")
    other = AccountRef(account.tenant_id, str(uuid4()))
    await put(scripts, other, "a")
    assert [await scripts.remember(account, b"h", 60) for _ in range(2)] == [True, False]
    assert await scripts.remember(other, b"h", 60), "each account has its own"
    assert await scripts.remembers(account, b"h")
    await scripts.prolong(account, b"h", -1)
    assert not await scripts.remembers(account, b"h")
    assert await scripts.remember(account, b"h", 60)


async def versions(scripts: ScriptStore, account: AccountRef) -> list[tuple[str, int]]:
    return [(each.name, each.version) for each in await scripts.versions(account)]


async def test_what_was_replaced_or_deleted_stays_as_a_version(
    scripts: ScriptStore, account: AccountRef
) -> None:
    for content in (b"one", b"two", b"two", b"three"):
        await scripts.put(account, "a", content, most=9)
    assert await versions(scripts, account) == [("a", 2), ("a", 1)]
    assert await scripts.version(account, "a", 1) == b"one"
    await scripts.activate(account, "a")
    # It comes back, and what was there instead stays.
    await scripts.put(account, "a", await scripts.version(account, "a", 1), most=9)
    assert await scripts.active(account) == b"one"
    assert await scripts.version(account, "a", 3) == b"three"
    await scripts.activate(account, "")
    await scripts.delete(account, "a")
    assert await scripts.version(account, "a", 4) == b"one"
    assert await names(scripts, account) == []
    [newest, *_] = await scripts.versions(account)
    assert newest.size_octets == 3
    assert newest.made_at < newest.replaced_at
    for missing in (("a", 5), ("b", 1)):
        with pytest.raises(ScriptMissing):
            await scripts.version(account, *missing)


async def test_so_many_versions_are_kept_and_no_more(scripts: ScriptStore, account: AccountRef) -> None:
    for number in range(VERSIONS_KEPT + 3):
        await scripts.put(account, "a", b"%d" % number, most=9)
    kept = await versions(scripts, account)
    assert kept == [("a", number) for number in range(VERSIONS_KEPT + 2, 2, -1)]
    for number in range(VERSIONS_OF_ACCOUNT - VERSIONS_KEPT + 1):
        await scripts.put(account, f"n{number}", b"x", most=99)
        await scripts.delete(account, f"n{number}")
    kept = await versions(scripts, account)
    assert len(kept) == VERSIONS_OF_ACCOUNT
    assert ("a", 3) not in kept, "the oldest goes"


async def test_another_tenants_versions_look_like_none(scripts: ScriptStore, account: AccountRef) -> None:
    await scripts.put(account, "a", b"one", most=9)
    await scripts.put(account, "a", b"two", most=9)
    stranger = AccountRef(str(uuid4()), account.account_id)
    assert await scripts.versions(stranger) == []
    with pytest.raises(ScriptMissing):
        await scripts.version(stranger, "a", 1)
