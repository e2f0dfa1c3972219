"""A ledger: small facts under keys that all processes of a service share, kept in JetStream.

One stream a ledger, one subject a key, the last value counts. It is bounded: beyond `octets_most` the oldest facts go,
and none is kept longer than `keep_seconds` (0: for ever). So a ledger is for what may be forgotten (who is banned, who
was seen), never for mail. A key may be any text; on the wire it is base64.

The subjects are ordinary ones, so who listens to them hears each change as it is made (`follow`); what was missed while
NATS was away is read again after it.
"""

import base64
from collections.abc import AsyncIterator, Callable

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from eventbus.errors import BusUnavailable

VALUE_OCTETS = 16 * 1024
KEY_CHARACTERS = 600
ANSWER_SECONDS = 2.0
DUPLICATE_SECONDS = 10.0
READ_AT_ONCE = 256
WELL_BROKEN = (nats.errors.Error, OSError, TimeoutError)


def token(key: str) -> str:
    """A key as a part of a subject."""
    return base64.urlsafe_b64encode(key.encode("utf-8", "surrogateescape")).decode().rstrip("=") or "-"


def key_of(subject: str) -> str:
    """The other way round. Raises ValueError on what no key of ours makes."""
    last = subject.rpartition(".")[2]
    if last == "-":
        return ""
    return base64.urlsafe_b64decode(last + "=" * (-len(last) % 4)).decode("utf-8", "surrogateescape")


class Ledger:
    """One of them. All methods raise BusUnavailable while NATS does not answer."""

    def __init__(self, client: Client, context: JetStreamContext, name: str) -> None:
        self._client = client
        self._context = context
        self._stream = f"LEDGER_{name.upper()}"
        self._subject = f"ledger.{name}"

    async def ensure(self, *, octets_most: int, keep_seconds: float, replicas: int) -> None:
        """Create its stream, or fit the one that is there to these bounds."""
        config = StreamConfig(
            name=self._stream,
            subjects=[f"{self._subject}.*"],
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_msgs_per_subject=1,
            max_bytes=octets_most,
            max_age=keep_seconds,
            duplicate_window=min(DUPLICATE_SECONDS, keep_seconds or DUPLICATE_SECONDS),
            max_msg_size=VALUE_OCTETS,
            num_replicas=replicas,
            allow_direct=True,
        )
        try:
            try:
                found = (await self._context.stream_info(self._stream)).config
            except NotFoundError:
                await self._context.add_stream(config)
                return
            if (found.max_bytes, found.max_age) != (octets_most, keep_seconds):
                found.max_bytes, found.max_age = octets_most, keep_seconds
                found.duplicate_window = config.duplicate_window
                await self._context.update_stream(found)
        except WELL_BROKEN as error:
            raise BusUnavailable(f"the ledger {self._subject} cannot be made: {error}") from error

    async def get(self, key: str) -> bytes | None:
        """The value; None where there is none."""
        try:
            found = await self._context.get_last_msg(
                self._stream, f"{self._subject}.{token(key)}", direct=True
            )
        except NotFoundError:
            return None
        except WELL_BROKEN as error:
            raise BusUnavailable(f"the ledger {self._subject} cannot be read: {error}") from error
        return found.data or None

    async def put(self, key: str, value: bytes) -> None:
        """Keep it, in the place of what was there. Raises ValueError where it is too long."""
        if len(key) > KEY_CHARACTERS or not 0 < len(value) <= VALUE_OCTETS:
            raise ValueError("that is no entry of a ledger")
        await self._publish(key, value)

    async def remove(self, key: str) -> None:
        """Keep nothing under it."""
        await self._publish(key, b"")

    async def _publish(self, key: str, value: bytes) -> None:
        try:
            await self._context.publish(f"{self._subject}.{token(key)}", value, timeout=ANSWER_SECONDS)
        except WELL_BROKEN as error:
            raise BusUnavailable(f"the ledger {self._subject} cannot be written: {error}") from error

    async def entries(self) -> AsyncIterator[tuple[str, bytes]]:
        """Everything that is kept now."""
        try:
            # Read without acknowledgements by a consumer that goes away by itself.
            reader = await self._context.pull_subscribe(
                f"{self._subject}.*",
                stream=self._stream,
                config=ConsumerConfig(
                    deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
                    ack_policy=AckPolicy.NONE,
                    inactive_threshold=30.0,
                    mem_storage=True,
                    num_replicas=1,
                ),
            )
            try:
                left = (await reader.consumer_info()).num_pending or 0
                while left > 0:
                    for message in await reader.fetch(min(left, READ_AT_ONCE), timeout=ANSWER_SECONDS):
                        left = message.metadata.num_pending
                        if message.data:
                            yield key_of(message.subject), message.data
            finally:
                await reader.unsubscribe()
        except WELL_BROKEN as error:
            raise BusUnavailable(f"the ledger {self._subject} cannot be read: {error}") from error

    async def follow(self, changed: Callable[[str, bytes], None]) -> None:
        """Call back with (key, value) of every change from now on; b"" is one that was removed."""

        async def came(message: Msg) -> None:
            try:
                key = key_of(message.subject)
            except ValueError:
                return
            changed(key, message.data)

        await self._client.subscribe(f"{self._subject}.*", cb=came)


class Followed:
    """A ledger as one process remembers it: `changed` is called for what was there and for each change."""

    def __init__(
        self, ledger: Ledger, changed: Callable[[str, bytes], None], connections: Callable[[], int]
    ) -> None:
        """`connections` counts the connections made to NATS: after a new one what was missed is read again."""
        self._ledger = ledger
        self._changed = changed
        self._connections = connections
        self._read_at = -1
        self._known: set[str] = set()
        self._heard: set[str] = set()

    async def start(self) -> None:
        """Hear changes, and read what there is. Raises BusUnavailable."""
        await self._ledger.follow(self._hear)
        await self.refresh()

    def _hear(self, key: str, value: bytes) -> None:
        self._heard.add(key)
        self._tell(key, value)

    def _tell(self, key: str, value: bytes) -> None:
        if value:
            self._known.add(key)
        else:
            self._known.discard(key)
        self._changed(key, value)

    async def refresh(self) -> None:
        """Read everything again where changes may have been missed. Raises BusUnavailable; then it is still to do."""
        connections = self._connections()
        if connections == self._read_at:
            return
        self._heard.clear()
        gone = set(self._known)
        async for key, value in self._ledger.entries():
            gone.discard(key)
            # What was heard meanwhile is newer.
            if key not in self._heard:
                self._tell(key, value)
        for key in gone - self._heard:
            self._tell(key, b"")
        self._read_at = connections
