"""One connection to another system: the client machine, a socket, the waits."""

import asyncio
import ssl
import time
from collections.abc import Sequence

from mailproto.smtp.client import Asked, ClientMachine, Event, Ready, TlsWanted
from mailproto.smtp.reply import Reply

from mta_queue.adapters.hearing import Ear
from mta_queue.adapters.proxies import DIRECT, ProxyAway, ProxyRefused, WayOut
from mta_queue.adapters.race import first_of
from mta_queue.adapters.tls import CertificateRefused, Contexts, check, describe, fault_of
from mta_queue.core.tls import Demand, Fault

READ_OCTETS = 65_536
# What is sent goes in pieces; each has the time of a reply (RFC 5321 §4.5.3.2.5), and all together no more than this rate
# gives them, so that nobody holds a message for days by reading an octet now and then.
PIECE_OCTETS = 256 * 1024
LEAST_OCTETS_A_SECOND = 8 * 1024
# Below this a transport lets us write on (asyncio's low-water mark).
WRITTEN_AWAY_OCTETS = 16 * 1024
# Nobody is left to say goodbye to. RuntimeError is uvloop's word for a transport that a failed handshake has closed.
GONE = (OSError, ssl.SSLError, TimeoutError, RuntimeError)


class SessionBroken(Exception):
    """The connection failed. `asked` is what was waited for, None before anything was."""

    def __init__(self, text: str, asked: Asked | None) -> None:
        super().__init__(text)
        self.asked = asked

    @property
    def is_away(self) -> bool:
        """Whether nobody is there, whatever the message."""
        return self.asked in (None, Asked.GREETING)

    @property
    def reply(self) -> Reply:
        """As a reply of ours (RFC 3463 4.4.2: bad connection)."""
        return Reply.of(451, "4.4.2", str(self)[:500])


class SessionSilent(SessionBroken):
    """No answer came in time."""

    @property
    def is_away(self) -> bool:
        """Also where somebody greeted and then said no more: what is asked before MAIL is the same for every message."""
        return super().is_away or self.asked in (Asked.EHLO, Asked.HELO, Asked.STARTTLS)


class TlsFailed(SessionBroken):
    """TLS is not what was asked for; the demand says whether another try may ask for less."""

    def __init__(self, text: str, fault: Fault) -> None:
        super().__init__(text, Asked.STARTTLS)
        self.fault = fault

    @property
    def reply(self) -> Reply:
        """RFC 3463 4.7.5: cryptographic failure."""
        return Reply.of(451, "4.7.5", str(self)[:500])


class Session:
    """Open, drive, close."""

    def __init__(
        self,
        machine: ClientMachine,
        reply_seconds: float,
        contexts: Contexts,
        demand: Demand,
        *,
        transaction_seconds: float = 1800.0,
    ) -> None:
        self.machine = machine
        self._reply_seconds = reply_seconds
        self._transaction_seconds = transaction_seconds
        # When the transaction is over at the latest, and when the reply must have come that is the so-manieth.
        self._over_at = float("inf")
        self._due = (-1, 0.0)
        self._contexts = contexts
        self.demand = demand
        self._reader: Ear
        # What happened while it was waited for, and who waits.
        self._event: Event | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.StreamWriter
        self.messages = 0
        # Where it leads, once it is open.
        self.address = ""
        # The shaped site whose connections are counted (core.shaping), "" for none.
        self.site = ""
        self.extensions: dict[str, str] = {}

    @property
    def tls(self) -> str:
        """Such as `TLSv1.3 dane`; "" in clear."""
        return describe(self._secured(), self.demand)

    def _secured(self) -> ssl.SSLObject | None:
        if not hasattr(self, "_writer"):
            return None
        secured: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return secured

    @property
    def local_address(self) -> str:
        """Ours."""
        name = self._writer.get_extra_info("sockname") if hasattr(self, "_writer") else None
        return str(name[0]) if name else ""

    @property
    def messages_taken_at_most(self) -> int:
        """Messages in one session as the peer wishes (RFC 9422 MAILMAX); 0 where it does not say."""
        return self._limit("MAILMAX")

    @property
    def recipients_taken_at_most(self) -> int:
        """Recipients of one message (RFC 9422 RCPTMAX); 0 where the peer does not say."""
        return self._limit("RCPTMAX")

    def _limit(self, name: str) -> int:
        for word in self.extensions.get("LIMITS", "").split():
            key, _, value = word.partition("=")
            if key.upper() == name and value.isascii() and value.isdigit() and len(value) <= 6:
                return int(value)
        return 0

    def begin(self) -> None:
        """A transaction has so much time, however it is spent: each reply in time is not enough."""
        self._over_at = time.monotonic() + self._transaction_seconds

    def waited(self, seconds: float) -> None:
        """For something of ours: that is not the other system's time."""
        self._over_at += seconds

    async def open(
        self, addresses: Sequence[str], port: int, connect_seconds: float, out: WayOut = DIRECT
    ) -> None:
        """Connect to the first of a host's addresses that answers. Raises SessionBroken."""
        text = f"no connection to {', '.join(addresses)}"
        try:
            async with asyncio.timeout(connect_seconds):
                connected = await first_of(addresses, port, out)
        except TimeoutError as error:
            raise SessionBroken(f"{text} within {connect_seconds:g} s", None) from error
        except (ProxyAway, ProxyRefused) as error:
            # Not Asked.GREETING, and not None: the destination is not to be thought away.
            raise SessionBroken(f"{text}: {error}", Asked.EHLO) from error
        except OSError as error:
            raise SessionBroken(f"{text}: {error.strerror or error}", None) from error
        self.address, self._reader, self._writer = connected.address, connected.reader, connected.writer

    async def next_event(self) -> Event:
        """The next event that is not about TLS. Raises SessionBroken."""
        while True:
            event = self._take_event()
            if isinstance(event, TlsWanted):
                await self._start_tls()
                continue
            if isinstance(event, Ready) and self.demand.needs_tls and self._secured() is None:
                raise TlsFailed("TLS is asked for, and there is none", Fault.STARTTLS_NOT_SUPPORTED)
            if event is not None:
                return event
            await self._read_more()

    def _take_event(self) -> Event | None:
        event, self._event = self._event, None
        return event if event is not None else self.machine.next_event()

    async def _read_more(self) -> None:
        """Until something has happened, or something is to be said. Raises SessionBroken."""
        await self._flush()
        if self._due[0] != self.machine.replies_taken:
            self._note_due()
        reader = self._reader
        if not (reader.has_unread or reader.is_over):
            await self._hear()
            return
        try:
            data = await reader.read(READ_OCTETS)
        except (OSError, ssl.SSLError) as error:
            raise SessionBroken(f"the connection broke: {error}", self.machine.waits_for) from error
        if not data:
            raise SessionBroken("the next system closed the connection", self.machine.waits_for)
        self.machine.feed(data)

    def _note_due(self) -> None:
        """For the whole reply: who sends it octet by octet has no more time for it."""
        seconds = min(self._reply_seconds, self.machine.timeout_seconds)
        self._due = self.machine.replies_taken, time.monotonic() + seconds

    async def _hear(self) -> None:
        """Replies are taken as they come; we go on when they mean something. Raises SessionBroken."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._reader.hear(self._heard, self._wake)
        self._look_at_clock()
        try:
            await self._waiting
        finally:
            self._reader.hear_no_more()
            self._waiting = None
            if self._timer is not None:
                self._timer.cancel()

    def _heard(self, data: bytes) -> None:
        machine = self.machine
        machine.feed(data)
        self._event = machine.next_event()
        if self._event is not None or machine.waits_for is None or machine.has_output:
            # What comes now is another matter: it waits until somebody asks for it.
            self._reader.hear_no_more()
            self._wake()
        elif self._due[0] != machine.replies_taken:
            # The next reply has its own time; the clock is looked at when that of the last one is over.
            self._note_due()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _look_at_clock(self) -> None:
        if self._waiting is None or self._waiting.done():
            return
        seconds = min(self._due[1], self._over_at) - time.monotonic()
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look_at_clock)
            return
        silent = SessionSilent("the next system did not answer in time", self.machine.waits_for)
        self._waiting.set_exception(silent)

    async def settle(self) -> None:
        """Before another message: whatever is still to be answered (RSET) is. Raises SessionBroken."""
        while self.machine.waits_for is not None:
            await self._read_more()
            if self._take_event() is not None:
                raise SessionBroken("the next system ended the session", self.machine.waits_for)

    async def _start_tls(self) -> None:
        if self._reader.has_unread:
            # As the machine has it where they came in one piece: who spoke on in clear is not to be heard as if in TLS.
            raise SessionBroken("octets came in clear after the answer to STARTTLS", Asked.STARTTLS)
        try:
            await self._writer.start_tls(
                self._contexts.of(self.demand),
                server_hostname=self.demand.server_name,
                ssl_handshake_timeout=30.0,
            )
            if (secured := self._secured()) is not None:
                check(secured, self.demand)
        except (OSError, ssl.SSLError, TimeoutError, CertificateRefused) as error:
            raise TlsFailed(f"the TLS handshake failed: {error}", fault_of(error)) from error
        self.machine.tls_started()

    async def _flush(self) -> None:
        if output := self.machine.output():
            await self.send(output)

    async def send(self, data: bytes) -> None:
        """Write, with back-pressure. Raises SessionBroken."""
        seconds = len(data) / LEAST_OCTETS_A_SECOND
        self._over_at += seconds
        over_at = time.monotonic() + self._reply_seconds + seconds
        view = memoryview(data)
        try:
            for start in range(0, len(data), PIECE_OCTETS):
                self._writer.write(view[start : start + PIECE_OCTETS])
                if self._writer.transport.get_write_buffer_size() < WRITTEN_AWAY_OCTETS:
                    # There is nothing to wait for; whether it broke is known by who waits for the reply.
                    continue
                async with asyncio.timeout(min(self._reply_seconds, over_at - time.monotonic())):
                    await self._writer.drain()
        except TimeoutError as error:
            raise SessionBroken("the next system stopped reading", self.machine.waits_for) from error
        except (OSError, ssl.SSLError) as error:
            raise SessionBroken(f"the connection broke: {error}", self.machine.waits_for) from error

    async def close(self) -> None:
        """Say QUIT, if that can be said, and close."""
        if not hasattr(self, "_writer"):
            return
        transport = self._writer.transport
        try:
            if transport.get_write_buffer_size():
                # Of a message that is given up nothing more is sent.
                return
            self.machine.quit()
            async with asyncio.timeout(2.0):
                self._writer.write(self.machine.output())
                await self._writer.drain()
            self._writer.close()
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except GONE:
            return
        finally:
            # Who reads nothing would keep the connection, and what he was to read, for as long as he likes.
            transport.abort()
