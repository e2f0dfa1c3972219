"""The bus on a real nats-server: known outcomes, atomic batches, redelivery, the refusal of weak servers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from directory.adapters.changes import BusChanges
from directory.ports import Change
from eventbus import BusMisconfigured, BusUnavailable, EventBus, subjects
from posthouse.supervisor.process import Child

from tests.support.engines import Engines, running


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Engines]:
    """A nats-server of its own, that may be killed."""
    async with running(tmp_path / "own", "nats") as engines:
        yield engines


async def connect(engines: Engines) -> EventBus:
    bus = await EventBus.connect(engines.nats.url, name="test", monitor_url=engines.nats.monitor_url)
    await bus.ensure_stream()
    return bus


async def drain(bus: EventBus, durable: str, subject: str) -> list[bytes]:
    consumer = await bus.consume(durable, subject)
    found = []
    while messages := await consumer.fetch(256, 0.5):
        for message in messages:
            found.append(message.payload)
            await message.acknowledge()
    return found


async def test_a_repeated_publish_is_stored_once_and_a_batch_wholly(own: Engines) -> None:
    bus = await connect(own)
    try:
        for _ in range(2):
            await bus.publish_mail("one", [("mail.local.1", b"x")], 5)
            await bus.publish_mail("two", [("mail.local.1", b"y"), ("mail.relay.1", b"z")], 5)
        assert sorted(await drain(bus, "mda", subjects.MAIL_LOCAL)) == [b"x", b"y"]
        assert await drain(bus, "mta-queue", subjects.MAIL_RELAY) == [b"z"]
    finally:
        await bus.close()


async def test_what_waits_is_known_by_its_queue_ids(own: Engines) -> None:
    bus = await connect(own)
    try:
        await bus.publish_mail("one", [("mail.local.1", b"x"), ("mail.relay.1", b"y")], 5)
        await bus.publish_mail("pack", [("mail.local.1", b"several")], 5, ["two", "three"])
        assert await bus.waiting_ids() == {"one", "two", "three"}
    finally:
        await bus.close()


async def test_every_publish_across_a_kill_is_known_and_stored_once(own: Engines) -> None:
    bus = await connect(own)
    outcomes: dict[int, str] = {}

    async def publish(number: int) -> None:
        for _ in range(200):
            try:
                await bus.publish_mail(f"m{number}", [("mail.local.1", b"%d" % number)], 30)
                outcomes[number] = "stored"
                return
            except BusUnavailable:
                outcomes[number] = "refused"
                await asyncio.sleep(0.05)

    try:
        room = asyncio.Semaphore(50)

        async def limited(number: int) -> None:
            async with room:
                await publish(number)

        flow = asyncio.gather(*(limited(number) for number in range(1500)))
        child: Child = own.children["nats"]
        for _ in range(3):
            await asyncio.sleep(0.1)
            assert child._process is not None
            child._process.kill()
            await child.wait_ready()
        await flow
        assert set(outcomes.values()) == {"stored"}
        found = await drain(bus, "mda", subjects.MAIL_LOCAL)
        assert sorted(found) == sorted(b"%d" % number for number in range(1500))
    finally:
        await bus.close()


async def test_a_message_that_is_put_off_comes_again(own: Engines) -> None:
    bus = await connect(own)
    try:
        await bus.publish_mail("late", [("mail.local.1", b"x")], 5)
        consumer = await bus.consume("mda", subjects.MAIL_LOCAL)
        [message] = await consumer.fetch(10, 5)
        await message.retry_later(0.2)
        [again] = await consumer.fetch(10, 5)
        assert (again.payload, again.deliveries) == (b"x", 2)
        await again.acknowledge()
        assert await consumer.fetch(10, 0.3) == []
    finally:
        await bus.close()


async def test_nothing_is_published_while_nats_is_away(own: Engines) -> None:
    bus = await connect(own)
    try:
        await own.children["nats"].stop()
        await asyncio.sleep(0.3)
        assert not bus.connected
        with pytest.raises(BusUnavailable):
            await bus.publish_mail("no", [("mail.local.1", b"x")], 5)
        bus.tell("mailbox.changed.x", b"lost and no harm")
    finally:
        await bus.close()


async def test_a_server_that_does_not_sync_is_refused(own: Engines, tmp_path: Path) -> None:
    await own.children["nats"].stop()
    configuration = own.layout.root / "nats" / "nats.conf"
    configuration.write_text(
        configuration.read_text().replace("sync_interval: always", 'sync_interval: "2m"')
    )
    await own.begin("nats")
    bus = await EventBus.connect(own.nats.url, name="test", monitor_url=own.nats.monitor_url)
    try:
        with pytest.raises(BusMisconfigured, match="sync_interval: always"):
            await bus.ensure_stream()
    finally:
        await bus.close()


async def test_what_is_told_is_heard(engines: Engines) -> None:
    one = await EventBus.connect(engines.nats.url, name="one")
    two = await EventBus.connect(engines.nats.url, name="two")
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    subject = subjects.mailbox_changed(str(uuid4()))
    try:
        listening = await two.listen(subject, lambda where, what: heard.put_nowait((where, what)))
        await asyncio.sleep(0.1)
        one.tell(subject, b"changed")
        assert await asyncio.wait_for(heard.get(), 5) == (subject, b"changed")
        await listening.stop()
    finally:
        await one.close()
        await two.close()


async def test_who_may_have_missed_a_change_of_the_directory_hears_that_anything_may_have_changed(
    engines: Engines,
) -> None:
    bus = await EventBus.connect(engines.nats.url, name="door")
    heard: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
    try:
        await bus.listen(
            subjects.DIRECTORY_CHANGED, lambda _, payload: heard.put_nowait((payload, bus.connected))
        )
        await bus._client._process_op_err(OSError("the connection broke"))
        # Nothing that was remembered before is good until it has been heard.
        assert await asyncio.wait_for(heard.get(), 20) == (b"", False)
        await asyncio.wait_for(bus._publisher._reconnected.wait(), 20)
        assert bus.connected
    finally:
        await bus.close()


async def test_a_change_that_the_directory_could_not_tell_is_made_up_for(engines: Engines) -> None:
    door = await EventBus.connect(engines.nats.url, name="door")
    directory = await EventBus.connect(engines.nats.url, name="directory")
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    try:
        await door.listen(subjects.DIRECTORY_CHANGED, lambda _, payload: heard.put_nowait(payload))
        await door._client.flush()
        changes = BusChanges(directory)
        await directory._client._process_op_err(OSError("the connection broke"))
        assert not directory.connected
        changes.tell(Change("tenant", "account"))
        # Others of this NATS may tell something too.
        async with asyncio.timeout(20):
            while await heard.get():
                continue
    finally:
        await directory.close()
        await door.close()


async def test_who_pulls_goes_on_when_the_stream_was_lost_and_made_again(own: Engines) -> None:
    bus = await connect(own)
    try:
        consumer = await bus.consume("mda", subjects.MAIL_LOCAL)
        assert await consumer.fetch(1, 0.1) == []
        await bus._context.delete_stream(subjects.MAIL_STREAM)
        assert await consumer.fetch(1, 0.1) == []
        await bus.ensure_stream()
        await bus.publish_mail("put-back", [("mail.local.1", b"x")], 5)
        assert [each.payload for each in await consumer.fetch(1, 10)] == [b"x"]
    finally:
        await bus.close()


async def test_a_server_that_says_an_error_and_hangs_up_is_connected_to_again(own: Engines) -> None:
    bus = await connect(own)
    try:
        again = asyncio.Event()
        bus.when_missed(again.set)
        transport = bus._client._transport
        assert transport is not None
        transport.write(b"NONSENSE\r\n")
        async with asyncio.timeout(10):
            await again.wait()
        await bus.publish_mail("after", [("mail.local.1", b"x")], 5)
        assert await drain(bus, "mda", subjects.MAIL_LOCAL) == [b"x"]
    finally:
        await bus.close()
