"""Publishing to JetStream so that afterwards it is known what was stored.

Many publishes are in flight at once on one reply inbox. A message carries a
`Nats-Msg-Id`, so a publish whose answer was lost is repeated until the answer
is known; JetStream drops the repetition. Several messages that belong together
go as one atomic batch (all or none are stored).
"""

import asyncio
import json
import time
from collections.abc import Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, MaxPayloadError

from eventbus.errors import BusUnavailable, OutcomeUnknown

ANSWER_SECONDS = 5.0
# JetStream's error code for a batch whose message id it has stored already.
DUPLICATE_IN_BATCH = 10201
# The queue ids of the letters in a message that holds several, for who looks for what waits.
HOLDING = "Posthouse-Holding"


class Refused(Exception):
    """JetStream answered that it did not store the message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Publisher:
    """The one publisher of a process."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._next = 0
        self._reconnected = asyncio.Event()

    async def start(self) -> None:
        """Open the reply inbox."""
        await self._client.subscribe(self._inbox + ".*", cb=self._answered)

    def connection_lost(self) -> None:
        """Wake everybody who waits for an answer that cannot come any more."""
        self._reconnected.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the connection to NATS was lost"))

    def connection_made(self) -> None:
        """Let the repetitions begin."""
        self._reconnected.set()

    async def _answered(self, message: Msg) -> None:
        future = self._waiting.pop(message.subject.rsplit(".", 1)[1], None)
        if future is None or future.done():
            return
        if not message.data and message.headers and message.headers.get("Status") == "503":
            future.set_exception(Refused(503, "no stream takes this subject"))
        else:
            future.set_result(message.data)

    async def publish(
        self,
        message_id: str,
        messages: Sequence[tuple[str, bytes]],
        deadline_seconds: float,
        holding: Sequence[str] = (),
    ) -> None:
        """Store all messages (subject, payload) or none; `holding` names what lies in them, where that is more than one.

        Raises BusUnavailable when nothing was stored, OutcomeUnknown when that
        could not be found out within the deadline.
        """
        if not self._client.is_connected:
            raise BusUnavailable("not connected to NATS")
        deadline = time.monotonic() + deadline_seconds
        # Whether an earlier try may have been stored.
        uncertain = False
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise OutcomeUnknown(f"no answer from NATS within {deadline_seconds:g} s")
            try:
                await self._attempt(message_id, messages, min(ANSWER_SECONDS, remaining), holding)
                return
            except Refused as refusal:
                if refusal.code == DUPLICATE_IN_BATCH:
                    return
                if not uncertain:
                    raise BusUnavailable(str(refusal)) from refusal
                await asyncio.sleep(min(0.2, remaining))
            except (TimeoutError, ConnectionError):
                uncertain = True
                if not self._client.is_connected:
                    self._reconnected.clear()
                    try:
                        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                            await self._reconnected.wait()
                    except TimeoutError:
                        continue

    async def _attempt(
        self, message_id: str, messages: Sequence[tuple[str, bytes]], seconds: float, holding: Sequence[str]
    ) -> None:
        last = len(messages)
        for number, (subject, payload) in enumerate(messages, start=1):
            headers = {"Nats-Msg-Id": message_id if last == 1 else f"{message_id}.{number}"}
            if holding:
                headers[HOLDING] = " ".join(holding)
            if last > 1:
                # A try's batch id is its own: the remains of a broken try must not be continued.
                headers["Nats-Batch-Id"] = f"{message_id}.{self._next}"
                headers["Nats-Batch-Sequence"] = str(number)
            if number < last:
                await self._send(subject, payload, headers, "")
            else:
                if last > 1:
                    headers["Nats-Batch-Commit"] = "1"
                await self._send_and_wait(subject, payload, headers, seconds)

    async def _send(self, subject: str, payload: bytes, headers: dict[str, str], reply: str) -> None:
        try:
            await self._client.publish(subject, payload, reply=reply, headers=headers)
        except MaxPayloadError as error:
            raise Refused(0, "the message is larger than the bus takes") from error
        except (Error, OSError) as error:
            raise ConnectionError(str(error)) from error

    async def _send_and_wait(
        self, subject: str, payload: bytes, headers: dict[str, str], seconds: float
    ) -> None:
        self._next += 1
        token = str(self._next)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting[token] = future
        timer = loop.call_later(seconds, _expire, future)
        try:
            await self._send(subject, payload, headers, f"{self._inbox}.{token}")
            answer = json.loads(await future)
        finally:
            timer.cancel()
            self._waiting.pop(token, None)
        if (error := answer.get("error")) is not None:
            raise Refused(int(error.get("err_code") or 0), str(error.get("description", "refused")))


def _expire(future: "asyncio.Future[bytes]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())
