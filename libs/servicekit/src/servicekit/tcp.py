"""One TCP driver for all protocols.

`Connection` is a thin skin over an asyncio transport: read what has arrived,
write, wait for room, start TLS. It has no lines and no parser; those are the
sans-IO machines' work. At most HIGH_WATER octets wait unread: then the peer is
not read from until the handler has caught up.

A read is never cancelled half-way: octets stay in the connection until a
`read()` takes them, so a cancelled `read()` loses nothing.
"""

import asyncio
import itertools
import math
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import structlog
from prometheus_client import Counter, Gauge

from servicekit import logs
from servicekit.tls import END_POINTS, REVOKED

LOG = logs.logger("servicekit.tcp")
HIGH_WATER = 256 * 1024
T = TypeVar("T")

CONNECTIONS_OPEN = Gauge("servicekit_connections_open", "Connections open now", ["listener"])
CONNECTIONS_TOTAL = Counter("servicekit_connections_total", "Connections accepted", ["listener"])
HANDLER_FAILURES = Counter(
    "servicekit_handler_failures_total", "Connection handlers that failed", ["listener"]
)

_numbers = itertools.count(1)

Handler = Callable[["Connection"], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One connection. Only its handler's task may read from it."""

    def __init__(
        self, draining: asyncio.Event, on_made: Callable[["Connection"], None] | None = None
    ) -> None:
        self.id = f"{next(_numbers):x}"
        self.draining = draining
        self.peer_host = ""
        self.peer_port = 0
        self.local_host = ""
        self.local_port = 0
        # Whose it is, once somebody has logged in: tenant, account, and what it came in with.
        self.owner: tuple[str, str, str] | None = None
        self.is_tls = False
        self.tls_version: str | None = None
        self.tls_cipher: str | None = None
        self._on_made = on_made
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._waiting_octets = 0
        self._at_eof = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        # Until when the read under way waits; one timer serves many reads, and looks again where it comes too early.
        self._read_due = math.inf
        self._patience: asyncio.TimerHandle | None = None
        # While the handler attends: what takes the octets, and when some came last.
        self._take: Callable[[bytes], bool] | None = None
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._write_paused = False
        self._read_paused = False
        self._end: asyncio.TimerHandle | None = None

    # -- the transport's side -------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        first = self._transport is None
        self._transport = cast(asyncio.Transport, transport)
        info = self._transport.get_extra_info
        peer, local = info("peername"), info("sockname")
        if peer:
            self.peer_host, self.peer_port = str(peer[0]), int(peer[1])
        if local:
            self.local_host, self.local_port = str(local[0]), int(local[1])
        self._note_tls()
        if first and self._on_made is not None:
            self._on_made(self)

    def _note_tls(self) -> None:
        assert self._transport is not None
        tls = self._transport.get_extra_info("ssl_object")
        if tls is not None:
            self.is_tls = True
            self.tls_version = tls.version()
            cipher = tls.cipher()
            self.tls_cipher = cipher[0] if cipher else None

    @property
    def tls_end_point(self) -> bytes:
        """What binds an exchange to the certificate that was shown (tls-server-end-point, RFC 5929 §4.1); b"" in clear."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return END_POINTS.get(tls.context, b"") if tls is not None else b""

    @property
    def peer_certificate(self) -> bytes:
        """The client's certificate (DER), where it showed one that we believe; else b"". Of no listener that asks for none."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        shown = (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""
        if (
            shown
            and tls is not None
            and (revoked := REVOKED.get(tls.context)) is not None
            and revoked.has(shown)
        ):
            return b""
        return shown

    def data_received(self, data: bytes) -> None:
        if self._take is not None and self._reader is not None and not self._reader.done():
            self._heard = asyncio.get_running_loop().time()
            try:
                if self._take(data):
                    return
            except Exception as error:
                self._reader.set_exception(error)
            self._take = None
            self._wake_reader()
            return
        self._chunks.append(data)
        self._waiting_octets += len(data)
        if self._waiting_octets > HIGH_WATER and not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._at_eof = True
        self._wake_reader()
        # A half-closed peer may still want our answers; TLS cannot be half-closed.
        return not self.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_eof = True
        self._error = exc
        self._wake_reader()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._end is not None:
            self._end.cancel()
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # -- the handler's side ---------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._closed.done()

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        """What has arrived, at least one octet; b"" at the end of the stream.

        Raises TimeoutError when nothing came in time, ConnectionError when the
        connection broke.
        """
        if not self._chunks:
            if self._at_eof:
                if self._error is not None:
                    raise ConnectionError(str(self._error)) from self._error
                return b""
            loop = asyncio.get_running_loop()
            self._reader = reader = loop.create_future()
            self._read_due = math.inf
            if timeout_seconds is not None:
                self._read_due = due = loop.time() + timeout_seconds
                if self._patience is not None and self._patience.when() > due:
                    self._patience.cancel()
                    self._patience = None
                if self._patience is None:
                    self._patience = loop.call_at(due, self._lose_patience)
            try:
                await reader
            finally:
                self._reader = None
            if not self._chunks:
                return await self.read(timeout_seconds)
        return self._arrived()

    def _lose_patience(self) -> None:
        """The timer of reads: end the one that is under way, or look again when its time comes."""
        self._patience = None
        reader, loop = self._reader, asyncio.get_running_loop()
        if reader is None or self._take is not None or self._read_due == math.inf:
            return
        if self._read_due <= loop.time():
            _expire(reader)
        else:
            self._patience = loop.call_at(self._read_due, self._lose_patience)

    async def attend(self, take: Callable[[bytes], bool], timeout_seconds: float) -> bool:
        """Give what arrives to `take`, as it arrives and without waking this task, until it says False: then True.

        For handlers that can mostly answer at once. `take` may write; it says False as soon as there is something to
        wait for. False at the end of the stream. Raises TimeoutError when nothing came for so long, ConnectionError
        when the connection broke, and what `take` raises.
        """
        while self._chunks:
            if not take(self._arrived()):
                return True
        if self._at_eof:
            if self._error is not None:
                raise ConnectionError(str(self._error)) from self._error
            return False
        loop = asyncio.get_running_loop()
        self._take, self._heard = take, loop.time()
        self._reader = reader = loop.create_future()
        timer = loop.call_later(timeout_seconds, self._look, reader, timeout_seconds)
        try:
            await reader
            if self._take is None:
                return True
        finally:
            self._take = self._reader = None
            (self._timer or timer).cancel()
            self._timer = None
        # The end has come.
        return await self.attend(take, timeout_seconds)

    def _look(self, reader: "asyncio.Future[None]", timeout_seconds: float) -> None:
        """Whether an attending handler has heard nothing for so long; one timer for however many octets come."""
        loop = asyncio.get_running_loop()
        left = self._heard + timeout_seconds - loop.time()
        if left <= 0:
            _expire(reader)
        else:
            self._timer = loop.call_later(left, self._look, reader, timeout_seconds)

    def _arrived(self) -> bytes:
        """What waits; it has been read then."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._waiting_octets = 0
        if self._read_paused and self._transport is not None:
            self._read_paused = False
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Queue octets for the peer; without effect on a connection that is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    @property
    def is_full(self) -> bool:
        """Whether `drain` would wait."""
        return self._write_paused

    async def drain(self, timeout_seconds: float | None = None) -> None:
        """Wait until there is room to write. Raises ConnectionError when the connection is gone, TimeoutError."""
        if self._closed.done():
            raise ConnectionError("the connection is closed")
        if self._write_paused:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._writer
            finally:
                self._writer = None
            if self._closed.done():
                raise ConnectionError("the connection is closed")

    async def start_tls(self, context: ssl.SSLContext, *, timeout_seconds: float = 30.0) -> None:
        """Become the server side of a TLS session (RFC 3207 §4.2).

        Every octet that arrived before is forgotten: it came in clear and could
        be an attacker's. Raises ConnectionError or ssl.SSLError on failure.
        """
        assert self._transport is not None
        self._chunks.clear()
        self._waiting_octets = 0
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()
        await self._secure(context, b"", timeout_seconds)

    async def begin_tls(
        self, context: ssl.SSLContext, first: bytes = b"", *, timeout_seconds: float = 30.0
    ) -> None:
        """Become the server side of a TLS session from the start: what has arrived belongs to the handshake.

        `first` is what was read of it already, behind a proxy's preface. Raises ConnectionError or ssl.SSLError on
        failure.
        """
        assert self._transport is not None
        self._transport.pause_reading()
        handshake = first + b"".join(self._chunks)
        self._chunks.clear()
        self._waiting_octets = 0
        self._read_paused = False
        await self._secure(context, handshake, timeout_seconds)

    async def _secure(self, context: ssl.SSLContext, handshake: bytes, timeout_seconds: float) -> None:
        assert self._transport is not None
        plain, loop = self._transport, asyncio.get_running_loop()
        starting = loop.start_tls(
            plain, self, context, server_side=True, ssl_handshake_timeout=timeout_seconds
        )
        if handshake:
            securing = asyncio.ensure_future(starting)
            # By then the TLS protocol is in its place; what is called soon comes behind its beginning, and before the
            # next octets of the peer.
            await asyncio.sleep(0)
            loop.call_soon(_hand_over, plain, handshake)
            transport = await _refusals_told(securing, self)
        else:
            # At once, not a turn of the loop later: the peer's handshake may come with the next octets, and would be
            # taken for what came in clear.
            transport = await _refusals_told(starting, self)
        if transport is None:
            raise ConnectionError("the TLS handshake failed")
        self._transport = transport
        self._note_tls()

    async def close(self, *, timeout_seconds: float = 5.0) -> None:
        """Send what is queued, then close; a peer that does not read is cut off."""
        if self._transport is None or self._closed.done():
            return
        self._transport.close()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(timeout_seconds, self.abort)
        try:
            await asyncio.shield(self._closed)
        finally:
            timer.cancel()

    def end(self, *, timeout_seconds: float = 5.0) -> None:
        """Let no more be written; a `read()` under way sees the end of the stream once what is queued is sent.

        A peer that does not read, or that does not answer the end of TLS, is cut off.
        """
        if self._transport is not None and not self._closed.done():
            self._transport.close()
            if self._end is None:
                self._end = asyncio.get_running_loop().call_later(timeout_seconds, self.abort)

    def abort(self) -> None:
        """Close now, dropping what is queued."""
        if self._transport is not None:
            self._transport.abort()


async def _refusals_told(securing: Awaitable[T], connection: Connection) -> T:
    """The client hears an alert (RFC 8446 §6.2); why its certificate is not believed is said here."""
    try:
        return await securing
    except ssl.SSLCertVerificationError as error:
        LOG.info(
            "client_certificate_refused",
            connection=connection.id,
            client_address=connection.peer_host,
            reason=error.verify_message,
        )
        raise


def _hand_over(transport: asyncio.Transport, data: bytes) -> None:
    """Give a transport's protocol octets as if they came now."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]


def _expire(reader: "asyncio.Future[None]") -> None:
    if not reader.done():
        reader.set_exception(TimeoutError())


def _keep_alive(listening: socket.socket, seconds: int) -> None:
    """Connections have the options of the socket that took them."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


class Listener:
    """A listening socket and the handlers of its connections."""

    def __init__(
        self,
        name: str,
        handler: Handler,
        draining: asyncio.Event,
        log: structlog.typing.FilteringBoundLogger,
        *,
        max_connections: int,
        overflow: bytes,
    ) -> None:
        self.name = name
        self._handler = handler
        self._draining = draining
        self._log = log
        self._max_connections = max_connections
        self._overflow = overflow
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: set[Connection] = set()
        self._open = CONNECTIONS_OPEN.labels(name)
        self._total = CONNECTIONS_TOTAL.labels(name)
        self._failures = HANDLER_FAILURES.labels(name)

    @property
    def port(self) -> int:
        """The port that is listened on (of use where 0 was asked for)."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(
        self, host: str, port: int, tls: ssl.SSLContext | None, keepalive_seconds: int | None = None
    ) -> None:
        """Open the port. Raises OSError where it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Several processes of one service share its port.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
            if keepalive_seconds is not None:
                _keep_alive(listening, keepalive_seconds)
            listening.bind((host, port))
            listening.setblocking(False)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self._draining, self._made), sock=listening, ssl=tls, backlog=1024
            )
        except BaseException:
            listening.close()
            raise

    def _made(self, connection: Connection) -> None:
        self._total.inc()
        if len(self._tasks) >= self._max_connections or self._draining.is_set():
            connection.write(self._overflow)
            task = asyncio.create_task(connection.close())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        self._open.inc()
        task = asyncio.create_task(self._run(connection))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._open.dec()

    async def _run(self, connection: Connection) -> None:
        self.connections.add(connection)
        try:
            await self._serve(connection)
        finally:
            self.connections.discard(connection)

    async def _serve(self, connection: Connection) -> None:
        try:
            await self._handler(connection)
        except (ConnectionError, ssl.SSLError, TimeoutError) as error:
            # The peer is gone or silent: his business, not ours.
            self._log.debug(
                "connection_broke", listener=self.name, connection=connection.id, error=str(error)
            )
            connection.abort()
        except asyncio.CancelledError:
            connection.abort()
            raise
        except Exception:
            self._failures.inc()
            self._log.exception("connection_handler_failed", listener=self.name, connection=connection.id)
        await connection.close()

    def stop_accepting(self) -> None:
        """Close the listening socket; connections go on."""
        if self._server is not None:
            self._server.close()

    async def wait_until_idle(self, timeout_seconds: float) -> int:
        """Wait for the handlers to end; returns how many had to be cut off."""
        tasks = set(self._tasks)
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=timeout_seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            return len(pending)
        return 0
