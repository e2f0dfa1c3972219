"""One connection's octets: what the client sends goes to the grammar's reader, what is said goes out with back-pressure.

What is said in one go is sent in one go: up to HELD_OCTETS are held back until the client is read from, or until whoever
speaks waits for something else, whichever comes first.

The time limits are here, because they end a read: so long for the login, so long for silence after it.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

from mailproto.imap import reader as r
from mailproto.imap import responses
from servicekit.tcp import Connection

from imap.core.answer import Bad
from imap.core.languages import DEFAULT, translated
from imap.edge.deflating import Deflate, StreamBroken
from imap.ports import LongText
from imap.settings import Settings

DRAINING = "The server is going down, come back soon"
SILENT = "You were silent for too long"
HELD_OCTETS = 16 * 1024
# Before the login nobody needs long literals.
STRANGERS_OCTETS = 8192


class Over(Exception):
    """The connection is to be closed; what is to be said has been said."""


class Wire:
    """Reads events and lines, says octets."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        new_long_text: Callable[[int], LongText | None] = lambda _octets: None,
    ) -> None:
        self._new_long_text = new_long_text
        self._connection = connection
        self._settings = settings
        self._reader = r.Reader(literal_octets=STRANGERS_OCTETS, append_octets=STRANGERS_OCTETS)
        # None once the client has logged in.
        self._login_until: float | None = time.monotonic() + settings.login_seconds
        self._waits = False
        self.language = DEFAULT
        self._deflate: Deflate | None = None
        self._held: list[bytes] = []
        self._held_octets = 0

    @property
    def is_compressed(self) -> bool:
        """Whether COMPRESS is in force."""
        return self._deflate is not None

    def compress(self) -> None:
        """From now on, both ways (RFC 4978 §3)."""
        self._send()
        self._deflate = Deflate()
        rest = self._reader.take_rest()
        if rest:
            self._reader.feed(self._inward(rest))

    @property
    def is_tls(self) -> bool:
        """Whether nobody can listen in."""
        return self._connection.is_tls

    @property
    def tls_end_point(self) -> bytes:
        """tls-server-end-point (RFC 5929); b"" in clear."""
        return self._connection.tls_end_point

    @property
    def peer_certificate(self) -> bytes:
        """The client's certificate (DER), or b""."""
        return self._connection.peer_certificate

    @property
    def peer_host(self) -> str:
        """The client's address."""
        return self._connection.peer_host

    def trust(self) -> None:
        """The client has logged in: it may take its time and send long literals."""
        self._login_until = None
        self._reader.literal_octets = self._settings.literal_octets
        self._reader.append_octets = self._settings.append_octets
        self._reader.new_sink = self._new_long_text

    def belongs_to(self, owner: tuple[str, str, str] | None) -> None:
        """Whose connection it is from now on: tenant, account, credential; None: nobody's."""
        self._connection.owner = owner

    def distrust(self) -> None:
        """The client is a stranger again (RFC 8437)."""
        self._connection.owner = None
        self._login_until = time.monotonic() + self._settings.login_seconds
        self._reader.literal_octets = self._reader.append_octets = STRANGERS_OCTETS
        self._reader.new_sink = None

    async def say(self, data: bytes) -> None:
        """Send; waits for a client that reads slowly."""
        if not data:
            return
        if not self._held:
            asyncio.get_running_loop().call_soon(self._send)
        self._held.append(data)
        self._held_octets += len(data)
        if self._held_octets >= HELD_OCTETS:
            self._send()
            await self._drain()

    def _patience(self) -> float:
        """How long the client may take for its next word, or to read ours: a stranger for all of them together."""
        if self._login_until is None:
            return self._settings.idle_seconds
        return max(0.0, self._login_until - time.monotonic())

    async def _drain(self) -> None:
        """Until there is room to write. Raises ConnectionError, also where the client reads nothing for too long."""
        try:
            await self._connection.drain(self._patience())
        except TimeoutError:
            raise ConnectionAbortedError("the client does not read what it asked for") from None

    def notice(self, data: bytes) -> None:
        """Send without waiting: a line now and then."""
        self._held.append(data)
        self._send()

    def _send(self) -> None:
        """What is held back."""
        if self._held:
            data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
            self._held.clear()
            self._held_octets = 0
            self._connection.write(self._outward(data))

    def _outward(self, data: bytes) -> bytes:
        return data if self._deflate is None else self._deflate.deflate(data)

    def _farewell(self, text: str) -> bytes:
        return responses.untagged("BYE", translated(text, self.language))

    async def end(self, farewell: str) -> None:
        """Say BYE and raise Over."""
        self.notice(self._farewell(farewell))
        raise Over

    async def pause(self, seconds: float) -> None:
        """Say nothing for a while; not while the process is about to end."""
        self._send()
        try:
            async with asyncio.timeout(seconds):
                await self._connection.draining.wait()
        except TimeoutError:
            return

    def event_at_hand(self) -> r.Event | None:
        """The client's next whole command, or what is wrong with it, where it has come."""
        return self._reader.next_event()

    @property
    def is_between_commands(self) -> bool:
        """Whether nothing of a next command has come."""
        return self._reader.is_between_commands

    async def line(self) -> bytes:
        """The client's next line: an answer to a challenge. Raises Over, and Bad where it is too long."""
        while (line := self.line_at_hand()) is None:
            await self.read()
        if isinstance(line, r.Broken):
            await self.end(line.text)
            raise Over
        if isinstance(line, r.Refused):
            raise Bad(line.text, "LIMIT")
        return line

    def line_at_hand(self) -> bytes | r.Refused | r.Broken | None:
        """A line that has come already."""
        return self._reader.take_line()

    async def read(self, at_once: Callable[[bytes], bytes | None] | None = None) -> None:
        """Take what comes. Raises Over at the end of the stream or of the client's time. May be cancelled.

        Where `at_once` has the answer to octets between commands, that is said as they arrive, and the wait goes on.
        """
        self._send()
        seconds = self._patience()
        if self._deflate is not None and self._deflate.has_more:
            self._reader.feed(self._inward(b""))
            return
        self._waits = True
        try:
            if self._connection.draining.is_set():
                self.notice(self._farewell(DRAINING))
                raise Over
            if at_once is not None and self._deflate is None and self._login_until is None:
                await self._attend(at_once, seconds)
                return
            data = await self._connection.read(seconds)
        except TimeoutError:
            self.notice(self._farewell(SILENT))
            raise Over from None
        finally:
            self._waits = False
        if not data:
            raise Over
        self._reader.feed(self._inward(data))

    async def _attend(self, at_once: Callable[[bytes], bytes | None], seconds: float) -> None:
        def take(data: bytes) -> bool:
            answer = at_once(data) if self._reader.is_between_commands else None
            if answer is None:
                self._reader.feed(data)
                return False
            self._connection.write(answer)
            return not self._connection.is_full

        if not await self._connection.attend(take, seconds):
            raise Over
        await self._drain()

    def _inward(self, data: bytes) -> bytes:
        if self._deflate is None:
            return data
        try:
            return self._deflate.inflate(data)
        except StreamBroken:
            # What it says cannot be understood, and it may not understand us.
            raise Over from None

    def end_if_idle(self) -> None:
        """At the drain: tell a client that is silent, and close."""
        if self._waits:
            self.notice(self._farewell(DRAINING))
            self._connection.end()

    def leave(self) -> None:
        """The connection is over: what was said last goes out, what has come of a long literal is let go of."""
        self._send()
        self._reader.abandon()

    def forget(self) -> None:
        """What came in clear is not looked at."""
        self._reader.forget()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on (RFC 3501 §6.2.1)."""
        self._send()
        await self._connection.start_tls(context)
        self._reader.forget()
