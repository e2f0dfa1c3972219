"""What comes back about mail that was relayed: on real PostgreSQL, S3 and NATS."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from blobstore import BodyReference
from eventbus import EventBus, subjects
from mailmsg.facts import examine
from mailproto.smtp.reply import Reply
from mta_queue.adapters.queue import SqlQueue
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.core.records import Caller
from mta_queue.core.returned import Copy, Returned, read
from mta_queue.core.suppression import Cause
from mta_queue.edge.returns import Returns
from pgkit import open_pool
from spool.codec import encode, facts_to_wire
from spool.verp import tag_of

from tests.support.engines import Engines
from tests.support.queued import letter
from tests.unit.mta_queue.test_returned import COMPLAINT, ID, STATUS, report

BOSS = Caller("operator", "192.0.2.1", "")


class Desk:
    """One tenant that relayed a message, and what is told of it."""

    def __init__(self, engines: Engines, queue: SqlQueue, known: Suppressions) -> None:
        self.blobs = engines.seaweed.store()
        self.queue = queue
        self.known = known
        self.tenant_id = str(uuid4())
        self.wanting = {self.tenant_id}
        self.draining = asyncio.Event()
        self.returns = Returns(queue, known, self.wants, self.blobs, 90.0, self.draining)

    async def wants(self, tenant_id: str) -> bool:
        return tenant_id in self.wanting

    async def relay(self, *addresses: str) -> str:
        spooled, payload = letter(*addresses, tenant_id=self.tenant_id)
        settled = [Outcome(each, Verdict.DELIVERED, Reply.of(250, "", "ok"), "mx") for each in addresses]
        await self.queue.record_first(spooled, payload, settled, [], [])
        return spooled.envelope.queue_id

    async def payload(self, content: bytes, tenant_id: str = "", came_to: str = "") -> bytes:
        key = f"mail/test/{uuid4()}"
        await self.blobs.put(key, (content,))
        body = BodyReference(key, 0, len(content), hashlib.sha256(content).digest())
        spooled, _ = letter("sender@ours.test", reverse_path="", tenant_id=tenant_id or self.tenant_id)
        envelope = replace(spooled.envelope, size_octets=len(content))
        if came_to:
            [recipient] = envelope.recipients
            envelope = replace(envelope, recipients=(replace(recipient, original_address=came_to),))
        return encode(envelope, envelope.recipients, body, facts_to_wire(examine(content)))

    async def came(self, content: bytes, tenant_id: str = "") -> str:
        told.clear()
        return await self.returns.look(await self.payload(content, tenant_id))

    async def listed(self) -> dict[str, Cause]:
        return {
            each.address: each.cause for each in await self.known.listing(BOSS, self.tenant_id, "", "", 10)
        }


told: list[dict[str, str]] = []


@pytest.fixture
async def desk(engines: Engines) -> AsyncIterator[Desk]:
    pool = await open_pool(engines.dsn("queue", "app"), max_size=4)

    def tell(_tenant_id: str, payload: bytes) -> None:
        told.extend(json.loads(payload)["events"])

    yield Desk(engines, SqlQueue(pool, tell=tell), Suppressions(pool))
    await pool.close()


async def test_a_bounce_that_comes_later_is_an_event_and_an_entry(desk: Desk) -> None:
    queue_id = await desk.relay("Gone@other.test", "here@other.test")
    assert await desk.came(report("delivery-status", STATUS.replace(ID, queue_id))) == "bounce"
    [event] = told
    assert (event["type"], event["queue_id"], event["recipient"]) == ("bounced", queue_id, "Gone@other.test")
    assert (event["kind"], event["sender"]) == ("bad-mailbox", "sender@ours.test")
    assert event["reply"] == "550 5.1.1 User unknown"
    assert await desk.listed() == {"gone@other.test": Cause.HARD_BOUNCE}


@pytest.mark.parametrize("fields", [0, 20_000])
async def test_a_large_report_is_read_beside_other_work(
    desk: Desk, fields: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def counted(message: bytes, copy: Copy | None) -> Returned | None:
        threads.append(threading.get_ident())
        return read(message, copy)

    monkeypatch.setattr("mta_queue.edge.returns.read", counted)
    queue_id = await desk.relay("Gone@other.test")
    content = b"X: y\r\n" * fields + report("delivery-status", STATUS.replace(ID, queue_id))
    assert await desk.came(content) == "bounce"
    assert (threads == [threading.get_ident()]) is not bool(fields)


async def test_nothing_is_listed_where_the_tenant_does_not_want_it(desk: Desk) -> None:
    desk.wanting.clear()
    queue_id = await desk.relay("gone@other.test")
    assert await desk.came(report("delivery-status", STATUS.replace(ID, queue_id))) == "bounce"
    assert [each["type"] for each in told] == ["bounced"]
    assert await desk.listed() == {}


async def test_a_full_mailbox_is_no_reason_to_list_it(desk: Desk) -> None:
    queue_id = await desk.relay("gone@other.test")
    full = STATUS.replace(ID, queue_id).replace("550 5.1.1 User\n unknown", "552 5.2.2 Mailbox full")
    assert (
        await desk.came(report("delivery-status", full.replace("Status: 5.1.1", "Status: 5.2.2"))) == "bounce"
    )
    assert told[0]["kind"] == "mailbox-full"
    assert await desk.listed() == {}


async def test_a_complaint_stops_mail_to_who_complains(desk: Desk) -> None:
    queue_id = await desk.relay("annoyed@other.test", "happy@other.test")
    assert await desk.came(report("feedback-report", COMPLAINT.replace(ID, queue_id))) == "complaint"
    assert [(each["type"], each["recipient"]) for each in told] == [("complained", "annoyed@other.test")]
    assert await desk.listed() == {"annoyed@other.test": Cause.COMPLAINT}


async def test_a_complaint_without_a_name_counts_where_only_one_got_the_message(desk: Desk) -> None:
    redacted = COMPLAINT.replace("Original-Rcpt-To: <annoyed@other.test>\n", "")
    several = await desk.relay("a@other.test", "b@other.test")
    assert await desk.came(report("feedback-report", redacted.replace(ID, several))) == "other"
    alone = await desk.relay("c@other.test")
    assert await desk.came(report("feedback-report", redacted.replace(ID, alone))) == "complaint"
    assert await desk.listed() == {"c@other.test": Cause.COMPLAINT}


async def test_forged_reports_come_to_nothing(desk: Desk) -> None:
    queue_id = await desk.relay("gone@other.test")
    mine = report("delivery-status", STATUS.replace(ID, queue_id))
    # A message that is not known, an address that it did not go to, another tenant's report.
    assert await desk.came(report("delivery-status", STATUS)) == "other"
    assert await desk.came(mine.replace(b"gone@other.test", b"boss@other.test")) == "other"
    assert await desk.came(mine, str(uuid4())) == "other"
    assert told == []
    assert await desk.listed() == {}


async def test_the_mda_tells_and_one_process_looks(desk: Desk, engines: Engines) -> None:
    queue_id = await desk.relay("gone@other.test")
    bus = await EventBus.connect(engines.nats.url, name="test")
    heard = asyncio.Event()

    def hear(subject: str, payload: bytes) -> None:
        desk.returns.heard(subject, payload)
        heard.set()

    listening = await bus.listen(subjects.MAIL_RETURNED, hear, group="mta-queue")
    await bus._client.flush()
    running = asyncio.create_task(desk.returns.run())
    told.clear()
    bus.tell(subjects.MAIL_RETURNED, b"not to be read")
    bus.tell(
        subjects.MAIL_RETURNED, await desk.payload(report("delivery-status", STATUS.replace(ID, queue_id)))
    )
    async with asyncio.timeout(10):
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    desk.draining.set()
    await running
    await listening.stop()
    await bus.close()
    assert [each["type"] for each in told] == ["bounced"]


async def test_a_bounce_without_any_name_is_matched_by_the_reverse_path_of_its_copy(desk: Desk) -> None:
    queue_id = await desk.relay("gone@other.test", "here@other.test")
    plain = b"Subject: Undeliverable\r\n\r\n550 5.1.1 no such user\r\n"

    async def came(address: str, queue_id: str, tenant_id: str = "") -> str:
        told.clear()
        came_to = f"sender+v-{queue_id.lower()}{tag_of(address)}@ours.test"
        return await desk.returns.look(await desk.payload(plain, tenant_id, came_to))

    assert await came("gone@other.test", queue_id) == "bounce"
    [event] = told
    assert (event["queue_id"], event["recipient"]) == (queue_id, "gone@other.test")
    assert await desk.listed() == {"gone@other.test": Cause.HARD_BOUNCE}
    assert await came("never@other.test", queue_id) == "other"
    assert await came("here@other.test", ID) == "other"
    assert await came("here@other.test", queue_id, str(uuid4())) == "other"
