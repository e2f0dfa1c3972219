"""Webhooks on real PostgreSQL: told in order and once, again after failures, given up; events on the real bus."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from eventbus import EventBus, subjects
from mailproto.smtp.reply import Reply
from mta_queue.adapters.changes import Changes
from mta_queue.adapters.hooks import GIVE_UP, Hooks
from mta_queue.adapters.queue import SqlQueue
from mta_queue.adapters.rules import RuleBook
from mta_queue.core.change import Bounce, Delete, Notice
from mta_queue.core.hooks import HookInvalid, signature
from mta_queue.core.item_filter import FilterInvalid, ItemFilter
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.records import Caller, Missing
from mta_queue.core.schedule import Schedule
from mta_queue.edge.logins import LoginNotices
from mta_queue.edge.webhooks import OF_A_TENANT, NotHeard, Webhooks
from mta_queue.ports import Postponed
from pgkit import OPERATOR, Pool, open_pool, transaction
from servicekit.sealing import Sealer

from tests.support.engines import Engines
from tests.support.queued import letter

BOSS = Caller("operator", "192.0.2.1", "")
URL = "https://hooks.example.com/mail"


class Ear:
    """Hears requests; answers with what is set, or not at all."""

    def __init__(self) -> None:
        self.answer: int | str = 204
        self.heard: list[tuple[str, str, bytes, dict[str, str]]] = []

    async def __call__(self, host: str, target: str, body: bytes, headers: list[tuple[str, str]]) -> int:
        self.heard.append((host, target, body, dict(headers)))
        if isinstance(self.answer, str):
            raise NotHeard(self.answer)
        return self.answer

    @property
    def types(self) -> list[list[str]]:
        return [[each["type"] for each in json.loads(body)["events"]] for _, _, body, _ in self.heard]


class Desk:
    """The queue of one tenant with webhooks."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.tenant_id = str(uuid4())
        self.hooks = Hooks(pool, Sealer(["a secret that is long enough"], "passwords at rest"))
        self.ear = Ear()
        self.webhooks = Webhooks(self.hooks, self.ear, asyncio.Event())
        self.told: list[tuple[str, bytes]] = []

    async def queue(self) -> SqlQueue:
        rules = await RuleBook(self.pool, Schedule(300.0, 3600.0, 432_000.0)).load()
        return SqlQueue(self.pool, hooks=lambda: rules.hooks, tell=lambda *each: self.told.append(each))

    async def send(self, address: str = "a@x.test", reply: str = "ok") -> str:
        spooled, payload = letter(address, tenant_id=self.tenant_id)
        outcome = Outcome(address, Verdict.DELIVERED, Reply.of(250, "2.0.0", reply), "mx")
        await (await self.queue()).record_first(spooled, payload, [outcome], [], [])
        return spooled.envelope.queue_id

    async def due(self) -> None:
        async with transaction(self.pool, OPERATOR) as connection:
            await connection.execute(
                "UPDATE webhook SET next_at = now() WHERE tenant_id = $1::uuid", self.tenant_id
            )


@pytest.fixture
async def desk(engines: Engines) -> AsyncIterator[Desk]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=4)
    made = Desk(pool)
    yield made
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute("DELETE FROM webhook")
    await pool.close()


async def test_what_happened_is_told_once_signed_and_in_order(desk: Desk) -> None:
    row, secret = await desk.hooks.add(BOSS, desk.tenant_id, URL, [])
    first, second = await desk.send(), await desk.send("b@x.test")
    assert await desk.webhooks.once()
    assert not await desk.webhooks.once()
    [(host, target, body, headers)] = desk.ear.heard
    assert (host, target) == ("hooks.example.com", "/mail")
    assert desk.ear.types == [["queued", "delivered", "queued", "delivered"]]
    assert [each["queue_id"] for each in json.loads(body)["events"]] == [first, first, second, second]
    seconds = int(headers["Posthouse-Signature"].removeprefix("t=").partition(",")[0])
    assert headers["Posthouse-Signature"] == signature(secret.encode(), seconds, body)
    assert headers["Posthouse-Webhook"] == str(row["webhook_id"])
    assert secret.encode() not in row["secret_sealed"]
    # The bus hears the same, without being asked.
    assert [tenant_id for tenant_id, _ in desk.told] == [desk.tenant_id] * 2


async def test_only_what_was_asked_for_and_of_this_tenant(desk: Desk) -> None:
    await desk.hooks.add(BOSS, desk.tenant_id, URL, ["delivered"])
    await desk.hooks.add(BOSS, str(uuid4()), URL, [])
    await desk.send()
    await desk.webhooks.once()
    assert desk.ear.types == [["delivered"]]
    assert not await desk.webhooks.once()


async def test_what_was_not_heard_is_told_again_first(desk: Desk) -> None:
    await desk.hooks.add(BOSS, desk.tenant_id, URL, ["delivered"])
    first = await desk.send()
    for answer in (500, "no connection", 301):
        desk.ear.answer = answer
        assert await desk.webhooks.once()
        assert not await desk.webhooks.once(), "it waits"
        await desk.due()
    [row] = await desk.hooks.listing(BOSS, desk.tenant_id)
    assert (row["failures"], row["waiting"], row["last_error"]) == (3, 1, "hooks.example.com answered 301")
    second = await desk.send()
    desk.ear.answer = 200
    assert await desk.webhooks.once()
    events = json.loads(desk.ear.heard[-1][2])["events"]
    assert [each["queue_id"] for each in events] == [first, second]
    [row] = await desk.hooks.listing(BOSS, desk.tenant_id)
    assert (row["failures"], row["waiting"], row["last_error"]) == (0, 0, "")


async def test_what_nobody_hears_is_given_up_kept_and_told_again_on_demand(desk: Desk) -> None:
    row, _ = await desk.hooks.add(BOSS, desk.tenant_id, URL, ["delivered"])
    webhook_id = str(row["webhook_id"])
    await desk.send()
    async with transaction(desk.pool, OPERATOR) as connection:
        await connection.execute(
            "UPDATE webhook_delivery SET created_at = now() - $1::interval", GIVE_UP + timedelta(minutes=1)
        )
    desk.ear.answer = 503
    await desk.webhooks.once()
    [dead] = await desk.hooks.dead(BOSS, webhook_id, 0, 10)
    assert json.loads(dead.event)["type"] == "delivered"
    assert dead.last_error == "hooks.example.com answered 503"
    await desk.due()
    assert not await desk.webhooks.once()
    assert await desk.hooks.again(BOSS, webhook_id) == 1
    desk.ear.answer = 200
    assert await desk.webhooks.once()
    assert await desk.hooks.dead(BOSS, webhook_id, 0, 10) == []


async def test_two_processes_never_tell_one_webhook_at_once(desk: Desk) -> None:
    await desk.hooks.add(BOSS, desk.tenant_id, URL, [])
    await desk.send()
    claims = await asyncio.gather(*(desk.hooks.claim(10) for _ in range(4)))
    assert sum(each is not None for each in claims) == 1


async def test_webhooks_that_think_for_long_keep_their_own_tenant_waiting_only(desk: Desk) -> None:
    for _ in range(OF_A_TENANT + 1):
        await desk.hooks.add(BOSS, desk.tenant_id, "https://slow.example.com/", ["delivered"])
    await desk.send()
    go, asked = asyncio.Event(), asyncio.Semaphore(0)

    async def slow(host: str, target: str, body: bytes, headers: list[tuple[str, str]]) -> int:
        asked.release()
        await go.wait()
        return 200

    desk.webhooks = Webhooks(desk.hooks, slow, asyncio.Event())
    stuck = [asyncio.create_task(desk.webhooks.once()) for _ in range(OF_A_TENANT)]
    for _ in stuck:
        await asked.acquire()
    assert not await desk.webhooks.once(), "it has its share"
    other = Desk(desk.pool)
    await other.hooks.add(BOSS, other.tenant_id, URL, ["delivered"])
    await other.send()
    others = asyncio.create_task(desk.webhooks.once())
    await asked.acquire()
    go.set()
    assert await others
    assert all(await asyncio.gather(*stuck))
    assert await desk.webhooks.once(), "its third has its turn now"


async def test_a_webhook_that_is_removed_takes_what_waits_along(desk: Desk) -> None:
    row, _ = await desk.hooks.add(BOSS, desk.tenant_id, URL, [])
    stale = await desk.queue()
    await desk.send()
    await desk.hooks.remove(BOSS, str(row["webhook_id"]))
    # A process that has not heard of it yet settles its mail all the same.
    spooled, payload = letter("a@x.test", tenant_id=desk.tenant_id)
    await stale.record_first(spooled, payload, [], [], [])
    assert not await desk.webhooks.once()
    with pytest.raises(Missing):
        await desk.hooks.remove(BOSS, str(row["webhook_id"]))


async def test_what_may_not_be_set(desk: Desk) -> None:
    with pytest.raises(HookInvalid):
        await desk.hooks.add(BOSS, desk.tenant_id, "https://127.0.0.1/", [])
    with pytest.raises(HookInvalid):
        await desk.hooks.add(BOSS, desk.tenant_id, URL, ["exploded"])
    with pytest.raises(FilterInvalid):
        await desk.hooks.add(BOSS, "", URL, [])
    with pytest.raises(FilterInvalid, match="MTA_QUEUE_SECRET_FILE"):
        await Hooks(desk.pool, None).add(BOSS, desk.tenant_id, URL, [])
    other = Caller("user", "", str(uuid4()))
    row, _ = await desk.hooks.add(BOSS, desk.tenant_id, URL, [])
    with pytest.raises(Missing):
        await desk.hooks.remove(other, str(row["webhook_id"]))
    assert await desk.hooks.listing(other, "") == []


async def test_what_is_noticed_about_logins_is_told_to_the_tenants_webhooks(desk: Desk) -> None:
    await desk.hooks.add(BOSS, desk.tenant_id, URL, ["suspicious_login"])
    logins = LoginNotices(await desk.queue(), asyncio.Event())
    said: dict[str, object] = {
        "account_id": str(uuid4()),
        "address": "a@x.test",
        "service": "imap",
        "client_address": "192.0.2.9",
    }
    said |= {"at": "2026-11-21T08:00:00+00:00", "new_device": True}
    for tenant_id, suspicious in ((desk.tenant_id, False), (desk.tenant_id, True), (str(uuid4()), True)):
        payload = json.dumps(said | {"tenant_id": tenant_id, "suspicious": suspicious}).encode()
        logins.heard(subjects.LOGIN_NOTICED, payload)
    assert await logins.tell()
    assert await desk.webhooks.once()
    assert desk.ear.types == [["suspicious_login"]]
    [(_, _, body, _)] = desk.ear.heard
    assert json.loads(body)["events"][0]["address"] == "a@x.test"
    # Who follows the tenant on the bus hears of both.
    [told] = [payload for tenant_id, payload in desk.told if tenant_id == desk.tenant_id]
    assert [each["type"] for each in json.loads(told)["events"]] == ["new_device", "suspicious_login"]


async def test_the_bus_keeps_events_for_who_comes_later(engines: Engines) -> None:
    bus = await EventBus.connect(engines.nats.url, name="test")
    try:
        await bus.ensure_events()
        await bus.ensure_events()
        tenant_id = str(uuid4())
        bus.tell(subjects.events(tenant_id), b'{"events":[]}')
        async with asyncio.timeout(10):
            while True:
                try:
                    kept = await bus._context.get_last_msg(subjects.EVENTS_STREAM, subjects.events(tenant_id))
                    break
                except Exception:
                    await asyncio.sleep(0.02)
        assert kept.data == b'{"events":[]}'
        config = (await bus._context.stream_info(subjects.EVENTS_STREAM)).config
        assert config.max_age == 7 * 86_400
        assert config.max_bytes == 256 * 1024 * 1024
    finally:
        await bus.close()


def postponed(address: str, *, expires_at: datetime) -> Postponed:
    return Postponed(
        domain="x.test",
        payload=b"",
        recipients=(address,),
        replies=("451 later",),
        attempts=1,
        next_attempt_at=expires_at,
        expires_at=expires_at,
        warn_at=None,
        last_host="mx.x.test",
        release_at=None,
    )


async def test_what_is_given_up_without_an_attempt_is_told_too(desk: Desk) -> None:
    await desk.hooks.add(BOSS, desk.tenant_id, URL, ["bounced"])
    queue, now = await desk.queue(), datetime.now(UTC)
    ids = []
    for address, expires_at in (("late@x.test", now - timedelta(hours=1)), ("held@x.test", now)):
        spooled, payload = letter(address, tenant_id=desk.tenant_id)
        waits = replace(postponed(address, expires_at=expires_at), payload=payload)
        await queue.record_first(spooled, payload, [], [waits], [])
        ids.append(spooled.envelope.queue_id)
    desk.told.clear()
    # Of the one nobody had time; the other the operator bounces.
    assert await queue.give_up_overdue(10, now - timedelta(minutes=10)) == 1
    assert await queue.give_up_overdue(10, now - timedelta(minutes=10)) == 0
    changes = Changes(desk.pool, queue.telling)
    wanted = ItemFilter(tenant_id=desk.tenant_id)
    job = await changes.begin(BOSS, wanted, Bounce("go away", Notice.WITHHELD))
    step = await changes.step(job)
    assert step is not None
    assert (step.job.changed, step.dues) == (1, [])
    assert await desk.webhooks.once()
    [(_, _, body, _)] = desk.ear.heard
    heard = json.loads(body)["events"]
    assert [(each["queue_id"], each["recipient"], each["type"]) for each in heard] == [
        (ids[0], "late@x.test", "bounced"),
        (ids[1], "held@x.test", "bounced"),
    ]
    assert heard[0]["status"] == "5.4.7"
    assert heard[0]["sender"] == heard[1]["sender"] != ""
    on_the_bus = [json.loads(payload)["events"] for _, payload in desk.told]
    assert [each for some in on_the_bus for each in some] == heard


async def test_what_is_deleted_is_no_bounce(desk: Desk) -> None:
    await desk.hooks.add(BOSS, desk.tenant_id, URL, ["bounced"])
    queue, now = await desk.queue(), datetime.now(UTC)
    spooled, payload = letter("a@x.test", tenant_id=desk.tenant_id)
    waits = replace(postponed("a@x.test", expires_at=now), payload=payload)
    await queue.record_first(spooled, payload, [], [waits], [])
    changes = Changes(desk.pool, queue.telling)
    await changes.step(await changes.begin(BOSS, ItemFilter(tenant_id=desk.tenant_id), Delete("off")))
    assert not await desk.webhooks.once()
