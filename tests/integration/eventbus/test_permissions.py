"""Each service's NATS user may do what its service does, and nothing besides."""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import nats
import pytest
from eventbus import EventBus, subjects
from eventbus.permissions import OPERATOR, SERVICES, inbox_prefix
from nats.aio.client import Client
from nats.errors import Error

from tests.support.engines import Engines, running


class Someone:
    """A connection as one of the users, with what the server refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def enter(self, engines: Engines, user: str) -> "Someone":
        async def failed(error: Exception) -> None:
            self.refused.append(str(error).lower())

        await self.client.connect(
            engines.nats.url_for(user),
            error_cb=failed,
            inbox_prefix=inbox_prefix(user),
            max_reconnect_attempts=0,
        )
        return self

    async def may_publish(self, subject: str) -> bool:
        return await self._settled(self.client.publish(subject, b"x"))

    async def may_subscribe(self, subject: str) -> bool:
        return await self._settled(self.client.subscribe(subject))

    async def _settled(self, asked: Awaitable[object]) -> bool:
        self.refused.clear()
        await asked
        # The server answers in order, but the first ping may overtake what nats-py has yet to write.
        for _ in range(2):
            await self.client.flush()
        return not self.refused


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Engines]:
    async with running(tmp_path / "own", "nats") as engines:
        yield engines


async def test_nobody_hears_or_says_what_is_not_his(own: Engines) -> None:
    for user in SERVICES:
        if user == OPERATOR:
            continue
        someone = await Someone().enter(own, user)
        try:
            assert not await someone.may_subscribe(">"), user
            assert not await someone.may_subscribe(subjects.ALL_MAIL), user
            assert not await someone.may_subscribe("_INBOX.>"), user
            assert not await someone.may_subscribe("$SYS.>"), user
            assert await someone.may_subscribe(f"{inbox_prefix(user)}.>"), user
            assert not await someone.may_publish("$JS.API.STREAM.DELETE.MAIL"), user
            assert not await someone.may_publish("$JS.API.STREAM.PURGE.MAIL"), user
            assert not await someone.may_publish("$JS.API.STREAM.MSG.GET.MAIL"), user
            assert not await someone.may_publish("$JS.API.CONSUMER.CREATE.MAIL.spy.mail.local.*"), user
            for other in SERVICES:
                if other != user:
                    assert not await someone.may_subscribe(f"{inbox_prefix(other)}.>"), (user, other)
            accepts = user in ("smtp-gateway", "mta-queue", "mda")
            assert await someone.may_publish("mail.local.1") is accepts, user
            assert await someone.may_publish("$JS.API.CONSUMER.MSG.NEXT.MAIL.mda") is (user == "mda"), user
            assert await someone.may_publish(subjects.DIRECTORY_CHANGED) is (user == "directory"), user
            assert await someone.may_subscribe(f"{subjects.MAILBOX_CHANGED}.*") is (user == "imap"), user
        finally:
            await someone.client.close()


async def test_one_consumer_cannot_be_asked_for_the_others_mail(own: Engines) -> None:
    someone = await Someone().enter(own, "mda")
    try:
        assert not await someone.may_publish("$JS.API.CONSUMER.CREATE.MAIL.mda.mail.relay.*")
        assert not await someone.may_publish("$JS.API.CONSUMER.DURABLE.CREATE.MAIL.mda")
        assert await someone.may_publish("$JS.API.CONSUMER.CREATE.MAIL.mda.mail.local.*")
    finally:
        await someone.client.close()


async def test_the_services_do_their_work_with_it(own: Engines) -> None:
    gateway = await EventBus.connect(own.nats.url_for("smtp-gateway"), name="gateway")
    mda = await EventBus.connect(own.nats.url_for("mda"), name="mda")
    queue = await EventBus.connect(own.nats.url_for("mta-queue"), name="queue")
    try:
        await gateway.ensure_stream()
        await gateway.publish_mail("1", [("mail.local.0", b"local"), ("mail.relay.0", b"relay")], 5.0)
        for bus, durable, wanted, expected in (
            (mda, "mda", subjects.MAIL_LOCAL, b"local"),
            (queue, "mta-queue", subjects.MAIL_RELAY, b"relay"),
        ):
            consumer = await bus.consume(durable, wanted)
            [message] = await consumer.fetch(1, 5.0)
            assert message.payload == expected
            await message.acknowledge()
            await consumer.give_back()
    finally:
        for bus in (gateway, mda, queue):
            await bus.close()


async def test_what_users_did_waits_for_whoever_runs_their_scripts(own: Engines) -> None:
    imap = await EventBus.connect(own.nats.url_for("imap"), name="imap")
    mda = await EventBus.connect(own.nats.url_for("mda"), name="mda")
    try:
        await mda.ensure_acted()
        await mda.ensure_acted()
        imap.tell(subjects.mailbox_acted("account"), b"done")
        consumer = await mda.consume("mda-scripts", subjects.ALL_ACTED, stream=subjects.ACTED_STREAM)
        [message] = await consumer.fetch(1, 5.0)
        assert (message.payload, message.deliveries) == (b"done", 1)
        await message.retry_later(0.0)
        [again] = await consumer.fetch(1, 5.0)
        assert again.deliveries == 2
        await again.acknowledge()
        await consumer.give_back()
    finally:
        for bus in (imap, mda):
            await bus.close()


async def test_a_wrong_password_and_no_user_are_refused(own: Engines) -> None:
    for url in (f"nats://mda:wrong@127.0.0.1:{own.ports.nats}", f"nats://127.0.0.1:{own.ports.nats}"):
        with pytest.raises(Error):
            await nats.connect(url, allow_reconnect=False, max_reconnect_attempts=0)
