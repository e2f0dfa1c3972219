"""Suppressed addresses on real PostgreSQL: asked together, walled by tenant, learnt from what bounced for good."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import pytest
from mailproto.smtp.reply import Reply
from mailwire.queue.v1.suppressed_pb2_grpc import add_SuppressedServiceServicer_to_server
from mta_queue.adapters.items import Items
from mta_queue.adapters.rules import RuleBook
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.outcome import EXPIRED, Outcome, Verdict
from mta_queue.core.records import Caller, Missing
from mta_queue.core.schedule import Schedule
from mta_queue.core.suppression import Cause, is_refusal
from mta_queue.edge.suppressed import Suppressed
from mta_queue.edge.suppressing import Suppressing
from pgkit import Pool, open_pool
from smtp_gateway.adapters.suppressed import QueueSuppressed

from tests.support.engines import Engines
from tests.support.queued import letter

BOSS = Caller("operator", "192.0.2.1", "")
UNKNOWN = Reply.of(550, "5.1.1", "User unknown")


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"), max_size=4)
    yield opened
    await opened.close()


@pytest.fixture
def known(pool: Pool) -> Suppressions:
    return Suppressions(pool)


def tenant() -> str:
    return str(uuid4())


def failed(address: str, reply: Reply) -> Outcome:
    return Outcome(address, Verdict.FAILED, reply, "mx")


async def test_each_question_gets_its_own_answer(known: Suppressions, pool: Pool) -> None:
    mine, other = tenant(), tenant()
    await known.add(BOSS, mine, "Gone@Example.test", "asked us to stop", None)
    answers = await asyncio.gather(
        known.among(mine, ["gone@example.TEST", "here@example.test"]),
        known.among(other, ["gone@example.test"]),
        *(known.among(mine, [f"n{number}@example.test"]) for number in range(20)),
    )
    assert [list(each) for each in answers[:2]] == [["gone@example.TEST"], []]
    assert not any(answers[2:])
    rules = await RuleBook(pool, Schedule(300.0, 3600.0, 432_000.0)).load()
    assert rules.suppresses


async def test_the_list_is_seen_changed_and_audited(known: Suppressions, pool: Pool) -> None:
    mine = tenant()
    for address in ("c@x.test", "a@x.test", "b@x.test"):
        await known.add(BOSS, mine, address, "", None)
    assert [each.address for each in await known.listing(BOSS, mine, "", "", 2)] == ["a@x.test", "b@x.test"]
    assert [each.address for each in await known.listing(BOSS, mine, "", "b@x.test", 2)] == ["c@x.test"]
    assert await known.listing(BOSS, mine, "complaint", "", 2) == []
    assert (await known.show(BOSS, mine, "B@X.test")).cause is Cause.MANUAL
    await known.remove(BOSS, mine, "B@x.test")
    for method in (known.show, known.remove):
        with pytest.raises(Missing):
            await method(BOSS, mine, "b@x.test")
    lines = await Items(pool).audit(BOSS, mine, 0, 10)
    assert [each.action for each in lines] == ["unsuppress", "suppress", "suppress", "suppress"]


async def test_a_tenant_sees_and_changes_its_own_only(known: Suppressions) -> None:
    mine, other = tenant(), tenant()
    me = Caller("user", "", mine)
    await known.add(BOSS, other, "a@x.test", "", None)
    with pytest.raises(Missing):
        await known.remove(me, "", "a@x.test")
    for call in (known.show(me, other, "a@x.test"), known.listing(me, other, "", "", 5)):
        with pytest.raises(FilterInvalid):
            await call
    with pytest.raises(FilterInvalid):
        await known.listing(BOSS, "", "", "", 5)


@pytest.mark.parametrize(
    "address", ["", "nobody", "@x.test", "a@", "a b@x.test", "a\n@x.test", "a" * 320 + "@x"]
)
async def test_what_is_no_address(known: Suppressions, address: str) -> None:
    with pytest.raises(FilterInvalid):
        await known.add(BOSS, tenant(), address, "", None)


async def test_what_is_over_is_as_if_it_were_not_there(known: Suppressions) -> None:
    mine = tenant()
    await known.add(BOSS, mine, "a@x.test", "", datetime.now(UTC) - timedelta(seconds=1))
    assert await known.among(mine, ["a@x.test"]) == {}
    assert await known.listing(BOSS, mine, "", "", 5) == []
    assert await known.forget_expired(1000) >= 1


async def test_what_bounced_for_good_is_learnt_where_the_tenant_wants_it(known: Suppressions) -> None:
    wanting, other = tenant(), tenant()

    async def wants(tenant_id: str) -> bool:
        return tenant_id == wanting

    suppressing = Suppressing(known, wants, 90.0)
    settled = [
        failed("gone@x.test", UNKNOWN),
        failed("full@x.test", Reply.of(552, "5.2.2", "Mailbox full")),
        failed("late@x.test", Reply.of(450, EXPIRED, "User unknown")),
        Outcome("ok@x.test", Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx"),
    ]
    for tenant_id in (wanting, other):
        spooled, _ = letter(*(each.address for each in settled), tenant_id=tenant_id)
        await suppressing.learn(spooled.envelope, settled)
    [entry] = await known.listing(BOSS, wanting, "", "", 5)
    assert (entry.address, entry.cause) == ("gone@x.test", Cause.HARD_BOUNCE)
    assert "User unknown" in entry.detail
    assert entry.expires_at is not None
    assert await known.listing(BOSS, other, "", "", 5) == []
    [refused] = await suppressing.refused(wanting, ["gone@x.test", "ok@x.test"])
    assert refused.verdict is Verdict.FAILED
    assert refused.status == "5.1.0"
    assert is_refusal(refused.reply)
    # That refusal is no news.
    await known.remove(BOSS, wanting, "gone@x.test")
    await suppressing.learn(spooled.envelope, [refused])
    assert await known.listing(BOSS, wanting, "", "", 5) == []


async def test_what_somebody_said_stays(known: Suppressions) -> None:
    mine = tenant()
    await known.add(BOSS, mine, "a@x.test", "a court said so", None)
    assert not await known.happened(mine, "a@x.test", Cause.HARD_BOUNCE, "550", "q", datetime.now(UTC))
    assert (await known.show(BOSS, mine, "a@x.test")).detail == "a court said so"


async def test_doors_hear_who_is_suppressed_and_why(known: Suppressions) -> None:
    mine = tenant()
    await known.add(BOSS, mine, "gone@example.test", "asked us to stop", None)
    server = grpc.aio.server()
    add_SuppressedServiceServicer_to_server(Suppressed(known), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        door = QueueSuppressed(channel)
        found = await door.among(mine, ["GONE@example.test", "here@example.test"])
        assert list(found) == ["GONE@example.test"]
        assert found["GONE@example.test"].startswith("Suppressed: manual on ")
        assert found["GONE@example.test"].endswith(": asked us to stop")
        assert await door.among(tenant(), ["gone@example.test"]) == {}
        assert await door.among("no tenant", ["gone@example.test"]) == {}
    await server.stop(None)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await QueueSuppressed(channel).among(mine, ["gone@example.test"]) == {}, "nobody to ask"
