"""Sieve scripts of accounts: several by name, at most one active, walled in."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from mailmodel import AccountRef
from mailstore import MailStore, ScriptActive, ScriptExists, ScriptMissing, ScriptStore, TooManyScripts

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
