"""Pulling from the stream MAIL, or another one.

A standing pull request keeps up to `prefetch` messages on their way to us, so
that a fetch takes what has come meanwhile: one message at once when idle, many
under load, and never a timer that waits for a batch to fill.

At-least-once: a message that is not acknowledged within the acknowledgement
wait comes again, to this process or another. What was on its way to us for a good
part of that begins it anew when it is fetched.

A consumer that is gone (its stream was lost and made again, or somebody deleted it) is made anew by who pulls.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from eventbus import subjects

PREFETCH = 512
# How long one pull request stands at the server before it is made anew.
REQUEST_SECONDS = 20.0
# After a refused request; without it the next one would follow at once, and be refused as well.
PAUSE_SECONDS = 0.5
# The ordinary end of a request.
REQUEST_OVER = "408"


class BusMessage:
    """One message, to be settled once: acknowledge or retry_later."""

    __slots__ = ("_client", "_reply", "arrived_at", "deliveries", "payload", "sequence", "subject")

    def __init__(self, client: Client, message: Msg) -> None:
        self._client = client
        self._reply = message.reply
        self.subject = message.subject
        self.payload = message.data
        self.arrived_at = time.monotonic()
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence in the stream>... or, with a domain, two words more.
        words = message.reply.split(".")
        first = 4 if len(words) == 9 else 6
        self.deliveries = int(words[first])
        self.sequence = int(words[first + 1])

    async def acknowledge(self) -> None:
        """It is settled; the stream forgets it."""
        await self._client.publish(self._reply, b"+ACK")

    async def retry_later(self, delay_seconds: float) -> None:
        """It is not settled; let it come again after the delay."""
        order = json.dumps({"delay": int(delay_seconds * 1e9)}).encode()
        await self._client.publish(self._reply, b"-NAK " + order)

    async def keep_working(self) -> None:
        """It takes longer; start the acknowledgement wait anew."""
        await self._client.publish(self._reply, b"+WPI")


class MailConsumer:
    """One puller. Only one task may fetch."""

    def __init__(
        self,
        client: Client,
        durable: str,
        ack_wait_seconds: float,
        stream: str = subjects.MAIL_STREAM,
        prefetch: int = PREFETCH,
        make: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._client = client
        self._ack_wait_seconds = ack_wait_seconds
        self._prefetch = prefetch
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = client.new_inbox()
        self._arrived: deque[BusMessage] = deque()
        self._wake = asyncio.Event()
        self._asked = 0
        self._asked_at = 0.0
        self._connected = client.is_connected
        self._make = make
        self._is_gone = False
        self._pause_until = 0.0

    @classmethod
    async def open(
        cls,
        client: Client,
        context: JetStreamContext,
        durable: str,
        subject_filter: str,
        ack_wait_seconds: float,
        max_ack_pending: int,
        stream: str = subjects.MAIL_STREAM,
        prefetch: int = PREFETCH,
    ) -> "MailConsumer":
        """Create or find the durable consumer and start to pull."""
        config = ConsumerConfig(
            # Named besides: then the filter is a part of the request's subject, and of what a user may ask for.
            name=durable,
            durable_name=durable,
            filter_subject=subject_filter,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait_seconds,
            max_ack_pending=max_ack_pending,
            max_waiting=512,
        )

        async def make() -> None:
            await context.add_consumer(stream, config)

        await make()
        consumer = cls(client, durable, ack_wait_seconds, stream, prefetch, make)
        await client.subscribe(consumer._inbox, cb=consumer._came)
        return consumer

    async def _came(self, message: Msg) -> None:
        if message.reply:
            self._asked -= 1
            self._arrived.append(BusMessage(self._client, message))
        else:
            # A status: the request ended (408 Request Timeout, 409 ...); ask again.
            self._asked = 0
            headers = message.headers or {}
            if (status := headers.get("Status", REQUEST_OVER)) != REQUEST_OVER:
                self._pause_until = time.monotonic() + PAUSE_SECONDS
                # 503: nobody is there who would take the request.
                self._is_gone |= status == "503" or "deleted" in headers.get("Description", "").lower()
        self._wake.set()

    async def _make_again(self) -> bool:
        """Whether it is there now."""
        if self._make is not None:
            try:
                await self._make()
            except (nats.errors.Error, OSError, TimeoutError):
                # Its stream is away too, or nobody leads it now.
                self._pause_until = time.monotonic() + PAUSE_SECONDS
                return False
        self._is_gone = False
        return True

    async def _ask(self) -> None:
        connected = self._client.is_connected
        now = time.monotonic()
        if not connected:
            self._connected = False
            return
        stale = now - self._asked_at > REQUEST_SECONDS + 2 or not self._connected
        if stale:
            self._asked = 0
        self._connected = True
        if now < self._pause_until or (self._is_gone and not await self._make_again()):
            return
        if self._asked + len(self._arrived) <= self._prefetch // 2:
            count = self._prefetch - self._asked - len(self._arrived)
            order = json.dumps({"batch": count, "expires": int(REQUEST_SECONDS * 1e9)}).encode()
            self._asked += count
            self._asked_at = now
            await self._client.publish(self._subject, order, reply=self._inbox)

    def _forget_stale(self) -> None:
        """What lay here longer than the acknowledgement wait comes again by itself: to work on it would be twice."""
        oldest = time.monotonic() - self._ack_wait_seconds
        while self._arrived and self._arrived[0].arrived_at < oldest:
            self._arrived.popleft()

    async def _begin_anew(self, fetched: list[BusMessage]) -> None:
        """Whoever works on them has the time that he was promised."""
        late = time.monotonic() - self._ack_wait_seconds / 3
        for message in fetched:
            # They came in this order.
            if message.arrived_at > late:
                break
            await message.keep_working()

    async def fetch(self, limit: int, wait_seconds: float) -> list[BusMessage]:
        """Up to `limit` messages that have come; waits for the first one at most so long. [] when none came."""
        deadline = time.monotonic() + wait_seconds
        while True:
            self._forget_stale()
            await self._ask()
            if self._arrived:
                count = min(limit, len(self._arrived))
                fetched = [self._arrived.popleft() for _ in range(count)]
                await self._begin_anew(fetched)
                return fetched
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return []
            self._wake.clear()
            try:
                async with asyncio.timeout(min(remaining, 0.5)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def give_back(self) -> None:
        """Return what has come and was not fetched, so that another process gets it at once."""
        while self._arrived:
            await self._arrived.popleft().retry_later(0.0)
