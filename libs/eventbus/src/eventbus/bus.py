"""The connection of one process to NATS, and what may be done with it."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.js import JetStreamContext
from nats.protocol.parser import PERMISSIONS_ERR

from eventbus import stream
from eventbus.consumer import PREFETCH, MailConsumer
from eventbus.errors import BusUnavailable
from eventbus.ledger import Ledger
from eventbus.permissions import inbox_prefix
from eventbus.publisher import Publisher
from eventbus.subjects import DIRECTORY_CHANGED, MAIL_STREAM


class _LastingClient(Client):
    """What a server says before it hangs up is no reason to stay away.

    nats-py closes itself for good at any `-ERR` (too many connections or subscriptions, a user that was changed): the
    process would live on and accept and deliver nothing. It connects again instead, as after any other end of a connection.
    """

    async def _process_err(self, err_msg: str) -> None:
        if PERMISSIONS_ERR in f"nats: {err_msg.strip(chr(39))}":
            # Of one subject; the connection goes on.
            await super()._process_err(err_msg)
        else:
            await self._process_op_err(nats.errors.Error(f"nats: {err_msg}"))


class Subscription:
    """A listener that can be stopped."""

    def __init__(self, subscription: NatsSubscription) -> None:
        self._subscription = subscription

    async def stop(self) -> None:
        """No more calls after this."""
        try:
            await self._subscription.unsubscribe()
        except nats.errors.Error:
            # The connection is gone, and the subscription with it.
            return


class EventBus:
    """Connected for the life of the process; reconnects by itself."""

    def __init__(self, client: Client, monitor_url: str, replicas: int) -> None:
        self._client = client
        self._context: JetStreamContext = client.jetstream(timeout=5.0)
        self._monitor_url = monitor_url
        self._replicas = replicas
        self._publisher = Publisher(client)
        # Whom it concerns that something may have been missed; and whether they know of the last time.
        self._missed: list[Callable[[], None]] = []
        self._told_of_gap = True

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        monitor_url: str | None = None,
        replicas: int = 1,
        hears_itself: bool = True,
    ) -> "EventBus":
        """Connect. Raises BusUnavailable when NATS cannot be reached at first.

        Who does not hear itself is not called back for what it tells: it knows.
        """
        client = _LastingClient()
        bus = cls.__new__(cls)

        async def lost() -> None:
            bus._told_of_gap = False
            bus._publisher.connection_lost()

        async def made() -> None:
            for missed in bus._missed:
                missed()
            bus._told_of_gap = True
            bus._publisher.connection_made()

        async def ignore(_error: Exception) -> None:
            # Told by `connected` and by every publish; nats-py would print each one.
            return

        try:
            await client.connect(
                url,
                name=name,
                disconnected_cb=lost,
                reconnected_cb=made,
                error_cb=ignore,
                connect_timeout=2,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]
                max_reconnect_attempts=-1,
                ping_interval=10,
                pending_size=64 * 1024 * 1024,
                allow_reconnect=True,
                no_echo=not hears_itself,
                # Where users have permissions, each may listen to its own inboxes only.
                inbox_prefix=inbox_prefix(user) if (user := urlsplit(url).username) else "_INBOX",
            )
        except (OSError, nats.errors.Error, TimeoutError) as error:
            raise BusUnavailable(f"NATS at {url.rsplit('@', 1)[-1]} does not answer: {error}") from error
        bus.__init__(client, monitor_url or "", replicas)  # type: ignore[misc]
        await bus._publisher.start()
        return bus

    @property
    def connected(self) -> bool:
        """Whether NATS can be reached now, and everybody knows who may have missed something before."""
        return bool(self._client.is_connected) and self._told_of_gap

    async def check(self) -> None:
        """Raise BusUnavailable while NATS is out of reach."""
        if not self.connected:
            raise BusUnavailable("not connected to NATS")

    async def ensure_stream(self) -> None:
        """Create the stream MAIL or check that it is as strong as promised. Raises BusMisconfigured."""
        if self._monitor_url:
            await stream.check_sync(self._monitor_url)
        await stream.ensure(self._context, self._replicas)

    async def ensure_events(self) -> None:
        """Create the stream EVENTS where there is none yet. Raises BusUnavailable."""
        try:
            await stream.ensure_events(self._context, self._replicas)
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(f"the stream of events cannot be made: {error}") from error

    async def ensure_acted(self) -> None:
        """Create the stream ACTED where there is none yet. Raises BusUnavailable."""
        try:
            await stream.ensure_acted(self._context, self._replicas)
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(f"the stream of what users did cannot be made: {error}") from error

    @property
    def connections(self) -> int:
        """How often the connection was made again."""
        return int(self._client.stats["reconnects"])

    async def ledger(self, name: str, *, octets_most: int, keep_seconds: float) -> Ledger:
        """A ledger, made where there is none yet. Raises BusUnavailable."""
        ledger = Ledger(self._client, self._context, name)
        await ledger.ensure(octets_most=octets_most, keep_seconds=keep_seconds, replicas=self._replicas)
        return ledger

    async def publish_mail(
        self,
        message_id: str,
        messages: Sequence[tuple[str, bytes]],
        deadline_seconds: float,
        holding: Sequence[str] = (),
    ) -> None:
        """Store (subject, payload) messages in the stream, all or none; see Publisher.publish."""
        await self._publisher.publish(message_id, messages, deadline_seconds, holding)

    async def waiting_ids(self) -> set[str]:
        """Queue ids of everything that the stream holds now. Raises BusUnavailable."""
        try:
            return await stream.waiting_ids(self._context)
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(f"the stream cannot be read: {error}") from error

    async def consume(
        self,
        durable: str,
        subject_filter: str,
        *,
        ack_wait_seconds: float = 60.0,
        max_ack_pending: int = 4096,
        stream: str = MAIL_STREAM,
        prefetch: int = PREFETCH,
    ) -> MailConsumer:
        """Pull from the stream as one of the processes that share `durable`, `prefetch` messages ahead at most."""
        return await MailConsumer.open(
            self._client,
            self._context,
            durable,
            subject_filter,
            ack_wait_seconds,
            max_ack_pending,
            stream,
            prefetch,
        )

    def when_missed(self, callback: Callable[[], None]) -> None:
        """Call back after each time that NATS was away: what was told meanwhile, by us too, nobody heard."""
        self._missed.append(callback)

    def tell(self, subject: str, payload: bytes) -> None:
        """Tell whoever listens, now. A fact told while disconnected is lost: listeners also look by themselves."""
        if self._client.is_connected:
            self._tell(subject, payload)

    def _tell(self, subject: str, payload: bytes) -> None:
        # nats-py's publish is a coroutine that does not wait for anything unless its buffer is full.
        coroutine = self._client.publish(subject, payload)
        try:
            coroutine.send(None)
        except (StopIteration, nats.errors.Error):
            return
        coroutine.close()

    async def listen(
        self, subject: str, callback: Callable[[str, bytes], None], *, group: str = ""
    ) -> Subscription:
        """Call back with (subject, payload) for every fact told on a subject, from now on, across reconnects.

        Of those that listen in one group each fact comes to one. After a time without NATS whoever listens to
        directory.changed hears an empty payload: anything may have changed.
        """
        if subject == DIRECTORY_CHANGED:
            self.when_missed(lambda: callback(subject, b""))

        async def came(message: Msg) -> None:
            callback(message.subject, message.data)

        return Subscription(await self._client.subscribe(subject, queue=group, cb=came))

    async def close(self) -> None:
        """Send what is queued and disconnect."""
        if not self._client.is_closed:
            try:
                await self._client.drain()
            except (nats.errors.Error, TimeoutError):
                await self._client.close()
