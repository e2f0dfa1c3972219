"""Scripts of tenants on real PostgreSQL: versions, one of them active, walls."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from mailmodel import AccountRef
from mailstore import ActiveScripts, MailStore, ScriptMissing, TenantScriptStore, TooManyScripts
from mailstore import tenant_scripts as module

from tests.support.engines import Engines


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda _change: None)
    yield opened
    await opened.close()


@pytest.fixture
def scripts(store: MailStore) -> TenantScriptStore:
    return store.tenant_scripts


@pytest.fixture
def tenant() -> str:
    return str(uuid4())


async def versions(scripts: TenantScriptStore, tenant: str) -> list[tuple[str, int, bool]]:
    return [(each.name, each.version, each.is_active) for each in await scripts.listing(tenant)]


async def test_each_change_is_a_version_and_the_last_one_runs(
    scripts: TenantScriptStore, tenant: str
) -> None:
    assert [await scripts.put(tenant, "before", text, "op") for text in (b"one", b"two")] == [1, 2]
    await scripts.put(tenant, "after", b"three", "op")
    assert await versions(scripts, tenant) == [("after", 1, True), ("before", 2, True), ("before", 1, False)]
    await scripts.activate(tenant, "before", 1)
    assert await scripts.get(tenant, "before") == (1, b"one")
    assert await scripts.get(tenant, "before", 2) == (2, b"two")
    await scripts.activate(tenant, "before", 0)
    with pytest.raises(ScriptMissing):
        await scripts.get(tenant, "before")
    # A number is never given twice.
    assert await scripts.put(tenant, "before", b"four", "op") == 3


async def test_what_is_missing_changes_nothing(scripts: TenantScriptStore, tenant: str) -> None:
    await scripts.put(tenant, "before", b"one", "op")
    for version, name in ((2, "before"), (1, "after")):
        with pytest.raises(ScriptMissing):
            await scripts.activate(tenant, name, version)
    assert await versions(scripts, tenant) == [("before", 1, True)]
    stranger = str(uuid4())
    with pytest.raises(ScriptMissing):
        await scripts.delete(stranger, "before")
    with pytest.raises(ScriptMissing):
        await scripts.get(stranger, "before", 1)
    await scripts.delete(tenant, "before")
    assert await versions(scripts, tenant) == []


async def test_there_are_bounds(
    scripts: TenantScriptStore, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VERSIONS_KEPT", 2)
    monkeypatch.setattr(module, "MOST_NAMES", 2)
    for text in (b"1", b"2", b"3"):
        await scripts.put(tenant, "a", text, "op")
    assert await versions(scripts, tenant) == [("a", 3, True), ("a", 2, False)]
    await scripts.put(tenant, "b", b"", "op")
    with pytest.raises(TooManyScripts):
        await scripts.put(tenant, "c", b"", "op")


async def test_two_that_put_at_once_make_two_versions(scripts: TenantScriptStore, tenant: str) -> None:
    made = await asyncio.gather(*(scripts.put(tenant, "a", b"%d" % n, "op") for n in range(4)))
    assert sorted(made) == [1, 2, 3, 4]
    assert [active for _, _, active in await versions(scripts, tenant)].count(True) == 1


async def test_what_runs_for_an_account(store: MailStore, tenant: str) -> None:
    account, other = AccountRef(tenant, str(uuid4())), AccountRef(str(uuid4()), str(uuid4()))
    await store.tenant_scripts.put(tenant, "before", b"b", "op")
    await store.tenant_scripts.put(tenant, "shared", b"is only included", "op")
    await store.scripts.put(account, "mine", b"m", most=1)
    await store.scripts.activate(account, "mine")
    active = await store.scripts.active_digests([account, other])
    assert active.keys() == {account.account_id}
    assert active[account.account_id] == ActiveScripts(
        active[account.account_id].before, active[account.account_id].own, None
    )
    assert None not in (active[account.account_id].before, active[account.account_id].own)
