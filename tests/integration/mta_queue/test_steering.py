"""The operator's orders over gRPC, on real rows: what is found, what changes, who is told, who did it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from mailproto.smtp.reply import Reply
from mailwire.queue.v1 import queue_pb2 as wire
from mailwire.queue.v1.queue_pb2_grpc import QueueAdminServiceStub, add_QueueAdminServiceServicer_to_server
from mta_queue.adapters import changes as changes_module
from mta_queue.adapters.changes import Changes
from mta_queue.adapters.items import Items
from mta_queue.adapters.lanes import Lanes
from mta_queue.adapters.queue import SqlQueue
from mta_queue.adapters.rules import RuleBook
from mta_queue.core.attempt import Attempt
from mta_queue.core.outcome import EXPIRED, Outcome, Verdict
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, UnderWay
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.jobs import Jobs
from mta_queue.edge.notices import Notices
from mta_queue.edge.orders import Orders
from mta_queue.ports import Due, Postponed
from mta_queue.tables import metadata
from pgkit import OPERATOR, Pool, open_pool, transaction
from spool import SpooledLetter

from tests.integration.mta_queue.test_queue import LATER, NOW, lease_due
from tests.support.engines import Engines
from tests.support.queued import letter

DEFAULT = Schedule(300.0, 3600.0, 432_000.0, warn_seconds=14_400.0)
OPERATOR_CALLER = wire.Caller(actor="operator", client_address="192.0.2.9")


class Told:
    """Satisfies what Jobs uses of Notices."""

    def __init__(self) -> None:
        self.dues: list[Due] = []

    async def make(self, due: Due) -> None:
        self.dues.append(due)


class Desk:
    """The service as the operator reaches it, and the rows behind it."""

    def __init__(self, stub: Any, queue: SqlQueue, pool: Pool, jobs: Jobs, told: Told) -> None:
        self.stub = stub
        self.queue = queue
        self.pool = pool
        self.jobs = jobs
        self.told = told

    async def put(
        self,
        *recipients: str,
        reverse_path: str = "from@ours.test",
        reply: str = "451 later",
        tenant_id: str = "",
    ) -> SpooledLetter:
        spooled, payload = letter(*recipients, reverse_path=reverse_path, tenant_id=tenant_id)
        domain = recipients[0].partition("@")[2]
        tried = Attempt(domain, NOW, 0.25, "mx", "192.0.2.1", "TLSv1.3", LATER, 0, len(recipients), 0)
        replies = (reply,) * len(recipients)
        due = NOW + timedelta(hours=1)
        await self.queue.record_first(
            spooled,
            payload,
            [],
            [Postponed(domain, payload, recipients, replies, 1, due, NOW + timedelta(days=5), None, "mx")],
            [tried],
        )
        return spooled

    async def found(self, caller: wire.Caller = OPERATOR_CALLER, **values: Any) -> list[str]:
        answer = await self.stub.ListItems(
            wire.ListItemsRequest(caller=caller, filter=wire.ItemFilter(**values), page_size=1000)
        )
        return [item.queue_id for item in answer.items]

    async def item(self, spooled: SpooledLetter) -> wire.Item:
        answer = await self.stub.GetMessage(
            wire.GetMessageRequest(caller=OPERATOR_CALLER, queue_id=spooled.envelope.queue_id)
        )
        [item] = answer.items
        return cast(wire.Item, item)

    async def change(
        self, change: wire.Change, caller: wire.Caller = OPERATOR_CALLER, **values: Any
    ) -> wire.Job:
        answer = await self.stub.ChangeItems(
            wire.ChangeItemsRequest(caller=caller, filter=wire.ItemFilter(**values), change=change)
        )
        return cast(wire.Job, answer.job)


@pytest.fixture
async def desk(engines: Engines) -> AsyncIterator[Desk]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=8)
    told = Told()
    changes = Changes(pool)
    jobs = Jobs(changes, cast(Notices, told), asyncio.Event())
    book = RuleBook(pool, DEFAULT)
    current = CurrentRules(book.load, await book.load())
    server = grpc.aio.server()
    add_QueueAdminServiceServicer_to_server(Orders(Items(pool), changes, jobs, book, current), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Desk(QueueAdminServiceStub(channel), SqlQueue(pool), pool, jobs, told)
    await server.stop(0)
    await pool.close()


@asynccontextmanager
async def refused(code: grpc.StatusCode) -> AsyncIterator[None]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    assert caught.value.code() is code


async def test_items_are_found_by_all_that_is_known_of_them(desk: Desk) -> None:
    tag = uuid4().hex
    one = await desk.put(f"a@{tag}.test", reverse_path=f"{tag}@ours.test", reply=f"451 Busy {tag}")
    two = await desk.put(f"b@{tag}.test", f"c@{tag}.test", reverse_path=f"other@{tag}.ours")
    null = await desk.put(f"d@{tag}.test", reverse_path="")
    ids = [each.envelope.queue_id for each in (one, two, null)]
    assert await desk.found(domain=f"{tag.upper()}.test") == ids
    assert await desk.found(domain=f"{tag}.test", tenant_id=two.envelope.tenant_id) == ids[1:2]
    assert await desk.found(queue_ids=ids[:2]) == ids[:2]
    assert await desk.found(sender=f"{tag}@ours.test") == ids[:1]
    assert await desk.found(sender=f"@{tag}.ours") == ids[1:2]
    assert await desk.found(sender="<>", domain=f"{tag}.test") == ids[2:]
    assert await desk.found(recipient=f"b@{tag}.test") == ids[1:2]
    assert await desk.found(recipient=f"c@{tag}.test") == ids[1:2]
    assert await desk.found(recipient=f"e@{tag}.test") == []
    assert await desk.found(reply=f"busy {tag}") == ids[:1]
    assert await desk.found(domain=f"{tag}.test", status=wire.ITEM_STATUS_WAITING) == ids
    assert await desk.found(domain=f"{tag}.test", status=wire.ITEM_STATUS_HELD) == []
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await desk.found(domain=f"{tag}.test", entered_before=later) == ids
    assert await desk.found(domain=f"{tag}.test", entered_after=later) == []


async def test_a_summary_counts_the_largest_first(desk: Desk) -> None:
    one, two = f"{uuid4().hex}.test", f"{uuid4().hex}.test"
    tenant_id = str(uuid4())
    for domain, reply in ((one, "451 a"), (two, "451 b"), (two, "451 b"), (two, "451 a")):
        await desk.put(f"x@{domain}", reply=reply, tenant_id=tenant_id)
    await desk.change(wire.Change(hold=wire.Hold(reason="x")), domain=one, tenant_id=tenant_id)

    async def groups(key: wire.SummaryKey.ValueType) -> list[tuple[str, int, int]]:
        answer = await desk.stub.Summarize(
            wire.SummarizeRequest(
                caller=OPERATOR_CALLER, filter=wire.ItemFilter(tenant_id=tenant_id), key=key
            )
        )
        return [(each.key, each.items, each.held) for each in answer.groups]

    assert await groups(wire.SUMMARY_KEY_DOMAIN) == [(two, 3, 0), (one, 1, 1)]
    assert await groups(wire.SUMMARY_KEY_TENANT) == [(tenant_id, 4, 1)]
    assert await groups(wire.SUMMARY_KEY_STATUS) == [("waiting", 3, 0), ("held", 1, 1)]
    assert await groups(wire.SUMMARY_KEY_SENDER) == [("from@ours.test", 4, 1)]
    assert await groups(wire.SUMMARY_KEY_REPLY) == [("451 a", 2, 1), ("451 b", 2, 0)]
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await groups(wire.SUMMARY_KEY_UNSPECIFIED)


async def test_pages_follow_each_other(desk: Desk) -> None:
    domain = f"{uuid4().hex}.test"
    ids = [(await desk.put(f"a{number}@{domain}")).envelope.queue_id for number in range(5)]
    found, token, pages = [], "", 0
    while True:
        answer = await desk.stub.ListItems(
            wire.ListItemsRequest(
                caller=OPERATOR_CALLER, filter=wire.ItemFilter(domain=domain), page_size=2, page_token=token
            )
        )
        found += [item.queue_id for item in answer.items]
        token, pages = answer.next_page_token, pages + 1
        if not token:
            break
    assert (found, pages) == (ids, 3)


async def test_show_tells_what_waits_what_is_settled_and_what_was_tried(desk: Desk) -> None:
    spooled = await desk.put("a@y.test", "b@y.test")
    item = next(
        each
        for each in await lease_due(desk.pool, NOW + timedelta(hours=2))
        if each.letter.envelope.queue_id == spooled.envelope.queue_id
    )
    assert (await desk.item(spooled)).status == wire.ITEM_STATUS_SENDING
    settled = [Outcome("a@y.test", Verdict.DELIVERED, LATER.of(250, "2.0.0", "ok"), "mx2")]
    waiting = [Outcome("b@y.test", Verdict.DEFERRED, LATER.of(450, "4.2.1", "busy"), "mx2")]
    tried = Attempt("y.test", NOW, 1.5, "mx2", "192.0.2.2", "", waiting[0].reply, 1, 1, 0)
    await desk.queue.record_retry(item, settled, waiting, NOW + timedelta(days=1), [tried])
    answer = await desk.stub.GetMessage(
        wire.GetMessageRequest(caller=OPERATOR_CALLER, queue_id=spooled.envelope.queue_id)
    )
    [waits] = answer.items
    assert [(each.address, each.last_reply) for each in waits.recipients] == [("b@y.test", "450 busy")]
    assert [(each.address, each.outcome) for each in answer.settled] == [("a@y.test", "delivered")]
    first, second = answer.attempts
    assert (first.host, first.address, first.tls, first.duration_ms) == ("mx", "192.0.2.1", "TLSv1.3", 250)
    assert (second.reply, second.delivered, second.deferred) == ("450 4.2.1 busy", 1, 1)
    async with refused(grpc.StatusCode.NOT_FOUND):
        await desk.stub.GetMessage(wire.GetMessageRequest(caller=OPERATOR_CALLER, queue_id="01NOTHING"))


async def test_hold_release_retry(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    ids = [spooled.envelope.queue_id]
    job = await desk.change(wire.Change(hold=wire.Hold(reason="a question")), queue_ids=ids)
    assert (job.status, job.changed, job.skipped) == (wire.JOB_STATUS_DONE, 1, 0)
    held = await desk.item(spooled)
    assert (held.status, held.hold_reason) == (wire.ITEM_STATUS_HELD, "a question")

    async def is_taken() -> bool:
        taken = await lease_due(desk.pool, datetime.now(UTC))
        return spooled.envelope.queue_id in [each.letter.envelope.queue_id for each in taken]

    job = await desk.change(wire.Change(retry=wire.Retry()), queue_ids=ids)
    assert (job.changed, job.skipped) == (0, 1)
    assert not await is_taken()
    await desk.change(wire.Change(release=wire.Release()), queue_ids=ids)
    assert (await desk.item(spooled)).hold_reason == ""
    assert await is_taken()
    other = await desk.put("a@y.test")
    await desk.change(wire.Change(retry=wire.Retry()), queue_ids=[other.envelope.queue_id])
    waits = await desk.item(other)
    assert waits.next_attempt_at.ToDatetime(UTC) <= datetime.now(UTC)


async def test_a_hold_ends_by_itself_where_it_was_to(desk: Desk) -> None:
    soon, later = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) + timedelta(hours=2)
    until, longer = Timestamp(), Timestamp()
    until.FromDatetime(soon)
    longer.FromDatetime(later)
    short, long, endless = [await desk.put("a@y.test") for _ in range(3)]

    async def hold(spooled: SpooledLetter, **values: Timestamp) -> None:
        order = wire.Change(hold=wire.Hold(reason="a look", **values))
        assert (await desk.change(order, queue_ids=[spooled.envelope.queue_id])).changed == 1

    await hold(short, until=until)
    await hold(long, until=until)
    # Another order, another end.
    await hold(long, until=longer)
    await hold(endless)
    assert (await desk.item(short)).held_until.ToDatetime(UTC) == soon
    assert await desk.queue.end_holds(10, soon - timedelta(seconds=1)) == 0
    assert await desk.queue.end_holds(10, soon) == 1
    freed = await desk.item(short)
    assert (freed.status, freed.hold_reason) == (wire.ITEM_STATUS_WAITING, "")
    assert not freed.HasField("held_until")
    for spooled in (long, endless):
        assert (await desk.item(spooled)).status == wire.ITEM_STATUS_HELD
    taken = await lease_due(desk.pool, soon + timedelta(seconds=1))
    assert short.envelope.queue_id in [each.letter.envelope.queue_id for each in taken]
    await desk.change(wire.Change(release=wire.Release()), queue_ids=[long.envelope.queue_id])
    assert await desk.queue.end_holds(10, later + timedelta(days=1)) == 0


@pytest.mark.parametrize("by_itself", [False, True])
async def test_what_would_have_expired_while_it_was_held_is_tried_once_more(
    desk: Desk, by_itself: bool
) -> None:
    spooled, until = await desk.put("a@y.test"), Timestamp()
    until.FromDatetime(datetime.now(UTC))
    ids = [spooled.envelope.queue_id]
    await desk.change(wire.Change(hold=wire.Hold(reason="a look", until=until)), queue_ids=ids)
    async with transaction(desk.pool, OPERATOR) as connection:
        await connection.execute(
            "UPDATE queue_item SET expires_at = now() - interval '1 day' WHERE queue_id = $1", *ids
        )
    before = datetime.now(UTC)
    if by_itself:
        assert await desk.queue.end_holds(10, before) == 1
    else:
        await desk.change(wire.Change(release=wire.Release()), queue_ids=ids)
    freed = await desk.item(spooled)
    assert freed.status == wire.ITEM_STATUS_WAITING
    # Upkeep gives up what was over long ago (edge.upkeep.GRACE).
    assert freed.expires_at.ToDatetime(UTC) >= before - timedelta(seconds=30)


async def test_whoever_takes_knows_of_the_last_order(desk: Desk) -> None:
    lanes, rules = Lanes(desk.pool), Rules({}, {}, DEFAULT)

    async def last_order() -> int:
        taken = await lanes.take(0, UnderWay(), Caps(1, 1), rules, 60.0, datetime.now(UTC))
        assert taken is not None
        return taken.last_order

    before = await last_order()
    assert await last_order() == before
    await desk.change(wire.Change(retry=wire.Retry()), domain="y.test")
    assert await last_order() > before


async def test_what_is_held_while_it_is_sent_stays_held_when_that_fails(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    ids = [spooled.envelope.queue_id]
    await desk.change(wire.Change(retry=wire.Retry()), queue_ids=ids)
    item = next(
        each
        for each in await lease_due(desk.pool, datetime.now(UTC) + timedelta(seconds=1))
        if each.letter.envelope.queue_id == ids[0]
    )
    await desk.change(wire.Change(hold=wire.Hold(reason="stop")), queue_ids=ids)
    waiting = [Outcome("a@y.test", Verdict.DEFERRED, LATER, "mx")]
    assert await desk.queue.record_retry(item, [], waiting, datetime.now(UTC), [])
    assert (await desk.item(spooled)).status == wire.ITEM_STATUS_HELD


@pytest.mark.parametrize("silent", [False, True])
async def test_bounce_tells_the_sender_unless_silent(desk: Desk, silent: bool) -> None:
    spooled = await desk.put("a@y.test", "b@y.test")
    change = wire.Change(bounce=wire.Bounce(reason="not ours", silent=silent))
    job = await desk.change(change, queue_ids=[spooled.envelope.queue_id])
    assert job.changed == 1
    await desk.jobs._notify()
    told = [due for due in desk.told.dues if due.queue_id == spooled.envelope.queue_id]
    assert [len(due.outcomes) for due in told] == ([] if silent else [2])
    answer = await desk.stub.GetMessage(
        wire.GetMessageRequest(caller=OPERATOR_CALLER, queue_id=spooled.envelope.queue_id)
    )
    assert not answer.items
    assert {(each.outcome, each.reply, each.notice_due) for each in answer.settled} == {
        ("failed", "554 Returned by the operator: not ours", not silent)
    }


async def test_what_a_failure_was_about_is_shown(desk: Desk) -> None:
    spooled = await desk.put("gone@y.test", "full@y.test", "late@y.test", "ok@y.test")
    item = next(
        each
        for each in await lease_due(desk.pool, datetime.now(UTC) + timedelta(days=1))
        if each.letter.envelope.queue_id == spooled.envelope.queue_id
    )
    settled = [
        Outcome("gone@y.test", Verdict.FAILED, Reply.of(550, "5.1.1", "User unknown"), "mx"),
        Outcome("full@y.test", Verdict.FAILED, Reply.of(552, "5.2.2", "Over quota"), "mx"),
        Outcome("late@y.test", Verdict.FAILED, Reply.of(451, EXPIRED, "Greylisted"), "mx"),
        Outcome("ok@y.test", Verdict.DELIVERED, Reply.of(250, "2.0.0", "ok"), "mx"),
    ]
    assert await desk.queue.record_retry(item, settled, [], None, [])
    answer = await desk.stub.GetMessage(
        wire.GetMessageRequest(caller=OPERATOR_CALLER, queue_id=spooled.envelope.queue_id)
    )
    assert {each.address: each.kind for each in answer.settled} == {
        "gone@y.test": "bad-mailbox",
        "full@y.test": "mailbox-full",
        "late@y.test": "greylisted",
        "ok@y.test": "",
    }


async def test_delete_tells_nobody_and_is_known(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    await desk.change(wire.Change(delete=wire.Delete(reason="spam")), queue_ids=[spooled.envelope.queue_id])
    assert await desk.queue.known(spooled.envelope.tenant_id, spooled.envelope.queue_id) == {"a@y.test"}
    await desk.jobs._notify()
    assert not [due for due in desk.told.dues if due.queue_id == spooled.envelope.queue_id]


async def test_what_is_being_sent_is_not_given_up(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    ids = [spooled.envelope.queue_id]
    await desk.change(wire.Change(retry=wire.Retry()), queue_ids=ids)
    await lease_due(desk.pool, datetime.now(UTC) + timedelta(seconds=1))
    job = await desk.change(wire.Change(delete=wire.Delete()), queue_ids=ids)
    assert (job.changed, job.skipped) == (0, 1)
    assert (await desk.item(spooled)).status == wire.ITEM_STATUS_SENDING


async def test_reroute_and_expire(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    ids = [spooled.envelope.queue_id]
    await desk.change(wire.Change(reroute=wire.Reroute(route="smart.test:2525")), queue_ids=ids)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    when = Timestamp()
    when.FromDatetime(soon)
    change = wire.Change(expire=wire.Expire(expires_at=when))
    await desk.change(change, queue_ids=ids)
    item = await desk.item(spooled)
    assert item.route == "smart.test:2525"
    assert item.expires_at.ToDatetime(UTC) == item.next_attempt_at.ToDatetime(UTC) == soon
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.change(wire.Change(reroute=wire.Reroute(route="a b")), queue_ids=ids)


async def test_a_tenant_sends_nothing_to_a_host_of_its_choice(desk: Desk) -> None:
    """A route's host may be inside: who chose it could speak SMTP with whatever listens there."""
    spooled = await desk.put("a@y.test")
    me = wire.Caller(actor="me", tenant_id=spooled.envelope.tenant_id)
    ids = [spooled.envelope.queue_id]
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.change(wire.Change(reroute=wire.Reroute(route="127.0.0.1:6379")), me, queue_ids=ids)
    assert (await desk.item(spooled)).route == ""
    await desk.change(wire.Change(reroute=wire.Reroute(route="smart.test")), queue_ids=ids)
    await desk.change(wire.Change(reroute=wire.Reroute()), me, queue_ids=ids)
    assert (await desk.item(spooled)).route == "", "to the MX again"


async def test_a_change_needs_a_filter_and_a_name(desk: Desk) -> None:
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.change(wire.Change(hold=wire.Hold()))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.change(wire.Change(), domain="y.test")
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.found(tenant_id="demo")


async def test_many_items_are_changed_in_batches_by_whoever_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "BATCH", 2)
    domain = f"{uuid4().hex}.test"
    for number in range(5):
        await desk.put(f"a{number}@{domain}")
    job = await desk.change(wire.Change(hold=wire.Hold(reason="x")), domain=domain)
    assert (job.status, job.changed) == (wire.JOB_STATUS_RUNNING, 2)
    late = await desk.put(f"late@{domain}")
    while job.status == wire.JOB_STATUS_RUNNING:
        assert await desk.jobs.step()
        job = (await desk.stub.GetJob(wire.GetJobRequest(caller=OPERATOR_CALLER, job_id=job.job_id))).job
    assert (job.status, job.changed, job.skipped) == (wire.JOB_STATUS_DONE, 5, 0)
    assert (await desk.item(late)).status == wire.ITEM_STATUS_WAITING, "it came after the order"
    job = await desk.change(wire.Change(release=wire.Release()), domain=domain)
    job = (await desk.stub.CancelJob(wire.CancelJobRequest(caller=OPERATOR_CALLER, job_id=job.job_id))).job
    assert (job.status, job.changed) == (wire.JOB_STATUS_CANCELLED, 2)
    assert len(await desk.found(domain=domain, status=wire.ITEM_STATUS_HELD)) == 3


async def test_a_job_that_fails_ends_and_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    spooled = await desk.put("a@y.test")
    monkeypatch.setattr(changes_module, "_apply", fail)
    job = await desk.change(wire.Change(retry=wire.Retry()), queue_ids=[spooled.envelope.queue_id])
    assert (job.status, job.changed) == (wire.JOB_STATUS_FAILED, 0)
    assert "RuntimeError" in job.error
    assert not await desk.jobs.step()


async def test_every_order_is_in_the_audit_and_stays_there(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    tenant_id = spooled.envelope.tenant_id
    await desk.change(wire.Change(hold=wire.Hold(reason="why")), tenant_id=tenant_id, domain="y.test")
    answer = await desk.stub.ListAudit(wire.ListAuditRequest(caller=OPERATOR_CALLER, tenant_id=tenant_id))
    [entry] = answer.entries
    assert (entry.actor, entry.client_address, entry.action, entry.reason) == (
        "operator",
        "192.0.2.9",
        "hold",
        "why",
    )
    assert '"domain": "y.test"' in entry.filter
    assert entry.changed == 1
    for statement in ("DELETE FROM queue_audit", "UPDATE queue_audit SET actor = 'nobody'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(desk.pool, OPERATOR) as connection:
                await connection.execute(statement)


async def test_suspend_and_resume(desk: Desk) -> None:
    spooled = await desk.put("a@y.test")
    tenant_id, domain = spooled.envelope.tenant_id, f"{uuid4().hex}.test"
    end = datetime.now(UTC) + timedelta(hours=2)
    for values in (
        {"tenant_id": tenant_id, "reason": "a first word"},
        {"tenant_id": tenant_id, "reason": "payment"},
        {"domain": domain.upper(), "reason": "they asked", "expires_at": end},
    ):
        await desk.stub.Suspend(wire.SuspendRequest(caller=OPERATOR_CALLER, **values))
    rules = await RuleBook(desk.pool, DEFAULT).load()
    now = datetime.now(UTC)
    found = rules.suspension_of(tenant_id, "y.test", now)
    assert found is not None
    assert (found.reason, found.actor, found.expires_at) == ("payment", "operator", None)
    assert rules.suspension_of("u", domain, now) is not None
    assert rules.suspension_of("u", domain, end) is None
    listed = await desk.stub.ListSuspensions(wire.ListSuspensionsRequest(caller=OPERATOR_CALLER))
    assert {"payment", "they asked"} <= {each.reason for each in listed.suspensions}
    await desk.stub.Resume(wire.ResumeRequest(caller=OPERATOR_CALLER, tenant_id=tenant_id))
    await desk.stub.Resume(wire.ResumeRequest(caller=OPERATOR_CALLER, domain=domain))
    rules = await RuleBook(desk.pool, DEFAULT).load()
    assert rules.suspension_of(tenant_id, "y.test", now) is None
    async with refused(grpc.StatusCode.NOT_FOUND):
        await desk.stub.Resume(wire.ResumeRequest(caller=OPERATOR_CALLER, tenant_id=tenant_id))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.stub.Suspend(wire.SuspendRequest(caller=OPERATOR_CALLER, reason="all?"))
    audit = await desk.stub.ListAudit(wire.ListAuditRequest(caller=OPERATOR_CALLER, tenant_id=tenant_id))
    assert [each.action for each in audit.entries] == ["resume", "suspend", "suspend"]


async def test_schedules_are_data(desk: Desk) -> None:
    tenant_id = str(uuid4())
    asked = wire.Schedule(
        tenant_id=tenant_id,
        first_seconds=60,
        longest_seconds=600,
        expire_seconds=7200,
        jitter=0.1,
        warn_seconds=0,
    )
    me = wire.Caller(actor="me", tenant_id=tenant_id)
    await desk.stub.SetSchedule(wire.SetScheduleRequest(caller=me, schedule=asked))
    rules = await RuleBook(desk.pool, DEFAULT).load()
    assert rules.schedule_of(tenant_id, "y.test") == Schedule(60.0, 600.0, 7200.0, 0.1, 0.0)
    assert rules.schedule_of(str(uuid4()), "y.test") == DEFAULT
    listed = await desk.stub.ListSchedules(wire.ListSchedulesRequest(caller=me))
    assert [each.tenant_id for each in listed.schedules] == ["", tenant_id]
    async with transaction(desk.pool, OPERATOR) as connection:
        await connection.execute(
            "INSERT INTO queue_schedule (domain, first_seconds, longest_seconds, expire_seconds, jitter, warn_seconds)"
            " VALUES ('by-hand.test', -1, 0, 0, 9, 0)"
        )
    by_hand = (await RuleBook(desk.pool, DEFAULT).load()).schedule_of(str(uuid4()), "by-hand.test")
    assert by_hand == DEFAULT, "what is no schedule stops nobody's mail"
    asked.first_seconds = 0
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.stub.SetSchedule(wire.SetScheduleRequest(caller=me, schedule=asked))
    await desk.stub.DeleteSchedule(wire.DeleteScheduleRequest(caller=me, tenant_id=tenant_id))
    rules = await RuleBook(desk.pool, DEFAULT).load()
    assert rules.schedule_of(tenant_id, "y.test") == DEFAULT


async def test_a_tenant_sees_and_changes_its_own_only(desk: Desk) -> None:
    domain = f"{uuid4().hex}.test"
    mine = await desk.put(f"a@{domain}")
    other = await desk.put(f"b@{domain}")
    me = wire.Caller(actor="me", tenant_id=mine.envelope.tenant_id)
    assert await desk.found(me, domain=domain) == [mine.envelope.queue_id]
    assert await desk.found(me, tenant_id=other.envelope.tenant_id) == []
    async with refused(grpc.StatusCode.NOT_FOUND):
        await desk.stub.GetMessage(wire.GetMessageRequest(caller=me, queue_id=other.envelope.queue_id))
    job = await desk.change(wire.Change(hold=wire.Hold(reason="x")), me, domain=domain)
    assert job.changed == 1
    assert (await desk.item(other)).status == wire.ITEM_STATUS_WAITING
    async with refused(grpc.StatusCode.INVALID_ARGUMENT):
        await desk.change(wire.Change(hold=wire.Hold()), me, tenant_id=other.envelope.tenant_id)
    order = await desk.change(wire.Change(hold=wire.Hold()), domain=domain)
    async with refused(grpc.StatusCode.NOT_FOUND):
        await desk.stub.GetJob(wire.GetJobRequest(caller=me, job_id=order.job_id))
    answer = await desk.stub.ListAudit(wire.ListAuditRequest(caller=me))
    assert [entry.actor for entry in answer.entries] == ["me"]


async def test_tables_are_as_they_are_written_down(desk: Desk) -> None:
    async with transaction(desk.pool, OPERATOR) as connection:
        rows = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
        indexes = {row[0] for row in await connection.fetch("SELECT indexname FROM pg_indexes")}
    real = {(row[0], row[1]) for row in rows if row[0] != "alembic_version"}
    assert real == {
        (table.name, column.name) for table in metadata.tables.values() for column in table.columns
    }
    assert {str(index.name) for table in metadata.tables.values() for index in table.indexes} <= indexes
