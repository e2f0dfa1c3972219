"""Quotas on real PostgreSQL: nothing beyond the limit, nothing lost, nothing counted wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, Quota, QuotaLimits, SystemFlag
from mailstore import Delivery, MailStore, Outcome, QuotaExceeded
from mailstore import quotas as quotas_module

from tests.integration.mailstore.test_store import counters_are_exact, inbox, new
from tests.support.engines import Engines

FILED, REPEATED, OVER_QUOTA = Outcome.FILED, Outcome.REPEATED, Outcome.OVER_QUOTA
SIZE = new().size_octets


class Limits(dict[str, QuotaLimits]):
    """What the directory says."""

    async def ask(self, accounts: Sequence[AccountRef]) -> Mapping[str, QuotaLimits]:
        return {each.account_id: self[each.account_id] for each in accounts if each.account_id in self}


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
async def store(
    engines: Engines, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MailStore]:
    # A pool is added up anew before each refusal.
    monkeypatch.setattr(quotas_module, "RECOUNT_SECONDS", 0.0)
    opened = await MailStore.open(
        engines.dsn("store", "app"),
        engines.seaweed.store(),
        lambda _change: None,
        pool_size=8,
        limits=limits.ask,
    )
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


def delivery(account: AccountRef, queue_id: str, *, is_notice: bool = False) -> Delivery:
    return Delivery(account, queue_id, "a@b.test", "INBOX", new(), is_notice)


async def test_what_does_not_fit_is_not_filed_and_not_settled(
    store: MailStore, account: AccountRef, limits: Limits
) -> None:
    limits[account.account_id] = QuotaLimits(octets=2 * SIZE)
    other = AccountRef(account.tenant_id, str(uuid4()))
    batch = [delivery(account, f"q{n}") for n in range(3)] + [delivery(other, "q0")]
    assert await store.deliver(batch) == [FILED, FILED, OVER_QUOTA, FILED]
    assert await store.settled(["q0", "q1", "q2"]) == {("q0", "a@b.test"), ("q1", "a@b.test")}
    # What was filed once is known, whatever the quota says now; what was not may fit later.
    assert await store.deliver(batch) == [REPEATED, REPEATED, OVER_QUOTA, REPEATED]
    mailbox_id = await inbox(store, account)
    await store.remove(account, mailbox_id, [1])
    assert await store.deliver(batch) == [REPEATED, REPEATED, FILED, REPEATED]
    await counters_are_exact(store, account)


async def test_messages_are_limited_too(store: MailStore, account: AccountRef, limits: Limits) -> None:
    limits[account.account_id] = QuotaLimits(messages=1)
    assert await store.deliver([delivery(account, "q1"), delivery(account, "q2")]) == [FILED, OVER_QUOTA]
    quota = await store.quota(account)
    assert (quota.used_messages, quota.used_octets, quota.used_percent) == (1, SIZE, 100)
    assert quota.free_octets == 0


async def test_many_at_once_never_exceed_it(store: MailStore, account: AccountRef, limits: Limits) -> None:
    limits[account.account_id] = QuotaLimits(octets=10 * SIZE)
    await store.provision(account)
    done = await asyncio.gather(
        *(store.deliver([delivery(account, f"w{w}-{n}") for n in range(4)]) for w in range(6))
    )
    assert [outcome for each in done for outcome in each].count(FILED) == 10
    assert (await store.quota(account)).used_octets == 10 * SIZE
    await counters_are_exact(store, account)


async def test_append_copy_and_replace_are_all_or_none(
    store: MailStore, account: AccountRef, limits: Limits
) -> None:
    limits[account.account_id] = QuotaLimits(octets=3 * SIZE)
    mailbox_id = await inbox(store, account)
    with pytest.raises(QuotaExceeded):
        await store.append(account, mailbox_id, [new()] * 4)
    assert await store.append(account, mailbox_id, [new()] * 2) == [1, 2]
    archive = await store.get_mailbox(account, "Archive")
    assert archive is not None
    with pytest.raises(QuotaExceeded):
        await store.copy(account, mailbox_id, [1, 2], archive.mailbox_id)
    assert (await store.copy(account, mailbox_id, [1], archive.mailbox_id)).pairs == [(1, 1)]
    # It is full: what moves or replaces its equal needs no room; flags need none either.
    assert len((await store.move(account, mailbox_id, [1, 2], archive.mailbox_id)).pairs) == 2
    assert await store.replace(account, archive.mailbox_id, 1, mailbox_id, new()) == 3
    with pytest.raises(QuotaExceeded):
        await store.replace(account, mailbox_id, 3, mailbox_id, new(b"Subject: x\r\n\r\na longer body\r\n"))
    seen = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))
    assert len(await store.store_flags(account, mailbox_id, [3], seen)) == 1
    assert (await store.quota(account)).used_messages == 3
    await counters_are_exact(store, account)


async def test_a_tenants_accounts_share_their_pool(store: MailStore, limits: Limits) -> None:
    tenant_id = str(uuid4())
    first, second = AccountRef(tenant_id, str(uuid4())), AccountRef(tenant_id, str(uuid4()))
    stranger = AccountRef(str(uuid4()), str(uuid4()))
    for each in (first, second, stranger):
        limits[each.account_id] = QuotaLimits(tenant_octets=3 * SIZE)
    assert await store.deliver([delivery(first, "q1"), delivery(first, "q2")]) == [FILED, FILED]
    assert await store.deliver([delivery(second, "q1"), delivery(second, "q2")]) == [FILED, OVER_QUOTA]
    assert await store.deliver([delivery(stranger, "q1")]) == [FILED]
    with pytest.raises(QuotaExceeded) as refused:
        await store.append(second, await inbox(store, second), [new()])
    assert refused.value.whose == "tenant"
    assert (await store.quota(second)).tenant_used_octets == 3 * SIZE
    await store.remove(first, await inbox(store, first), [1])
    assert await store.deliver([delivery(second, "q2")]) == [FILED]


async def test_our_own_notices_go_a_little_beyond_it(
    store: MailStore, account: AccountRef, limits: Limits
) -> None:
    limits[account.account_id] = QuotaLimits(octets=SIZE, messages=1)
    await store.deliver([delivery(account, "q1")])
    notices = [delivery(account, f"n{n}", is_notice=True) for n in range(quotas_module.NOTICE_MESSAGES + 1)]
    assert await store.deliver(notices) == [FILED] * quotas_module.NOTICE_MESSAGES + [OVER_QUOTA]
    large = new(b"Subject: x\r\n\r\n" + b"x" * quotas_module.NOTICE_OCTETS)
    limits[account.account_id] = QuotaLimits(octets=SIZE)
    assert await store.deliver([replace(delivery(account, "n99", is_notice=True), new=large)]) == [OVER_QUOTA]


async def test_who_delivers_is_told_how_full_it_is_now(
    store: MailStore, account: AccountRef, limits: Limits
) -> None:
    told: list[Quota] = []
    store.on_quota = told.append
    await store.deliver([delivery(account, "q0")])
    assert told == []
    limits[account.account_id] = QuotaLimits(octets=5 * SIZE)
    await store.deliver([delivery(account, "q1"), delivery(account, "q2"), delivery(account, "q3")])
    assert [each.used_percent for each in told] == [80]
    assert told[0].free_octets == SIZE
