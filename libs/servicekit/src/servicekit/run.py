"""How a process of ours lives.

    wire -> ready -> SIGTERM -> not ready -> stop accepting and pulling
         -> let what is under way end within drain_seconds -> close -> exit 0

`wire` opens what the service needs and starts its listeners and tasks; when it
returns the process is ready. A task that dies by an exception, or is cancelled before
the drain, ends the process with exit code 1: a half-dead process is worse than a restarted one.
"""

import asyncio
import contextlib
import gc
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

import uvloop
from pydantic import ValidationError

from servicekit import logs
from servicekit.certificates import Certificates
from servicekit.http import Check, StatusPages
from servicekit.identity import Identity, IdentityIncomplete
from servicekit.settings import ServiceSettings, TlsSettings
from servicekit.tcp import Connection, Handler, Listener

S = TypeVar("S", bound=ServiceSettings)
Closer = Callable[[], Awaitable[None]]
# The collector looks for cycles after so many more objects: what a message makes dies by itself when it is done.
GC_OBJECTS = 20_000
BUGS = (TypeError, AttributeError, LookupError, AssertionError, NameError, ImportError)


class Service(Generic[S]):
    """One running process: its settings, log, tasks, listeners and closers."""

    def __init__(self, name: str, settings: S) -> None:
        self.name = name
        self.settings = settings
        self.log = logs.logger(name)
        # Who this process is towards the other services; None: they ask nobody.
        self.identity = Identity.of(settings)
        # Set at SIGTERM: nothing new is begun.
        self.draining = asyncio.Event()
        self._pages = StatusPages(self.draining)
        self._listeners: list[Listener] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closers: list[Closer] = []
        self._failed = asyncio.Event()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> "asyncio.Task[Any]":
        """Run a task for the life of the process; if it raises, the process ends with 1."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            if not self.draining.is_set():
                # Nobody of ours did: something that it waited for was given up in a library, and nobody would notice.
                self.log.error("task_failed", task=task.get_name(), reason="cancelled before the drain")
                self._failed.set()
        elif (error := task.exception()) is not None:
            self.log.error("task_failed", task=task.get_name(), exc_info=error)
            self._failed.set()

    def on_close(self, closer: Closer) -> None:
        """Run this after the drain; the last one given runs first."""
        self._closers.append(closer)

    def ready_when(self, name: str, check: Check) -> None:
        """/readyz fails while this check raises or takes longer than two seconds."""
        self._pages.add(name, check)

    def certificates(self, settings: TlsSettings) -> Certificates | None:
        """What listeners show, looked after until the drain; None where no certificate is set.

        Raises OSError, ssl.SSLError or ValueError where it cannot be used.
        """
        found = Certificates.of(settings)
        if found is not None:
            self.spawn(found.watch(self.draining), name="certificates")
        return found

    async def listen(
        self,
        name: str,
        host: str,
        port: int,
        handler: Handler,
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 10_000,
        overflow: bytes = b"",
        keepalive_seconds: int | None = None,
    ) -> Listener:
        """Open a port whose connections `handler` serves; `overflow` is said to those too many.

        After `keepalive_seconds` of silence TCP asks whether the peer is still there, and a peer that does not answer is
        gone after as long again. Raises OSError where the port cannot be had.
        """
        listener = Listener(
            name, handler, self.draining, self.log, max_connections=max_connections, overflow=overflow
        )
        await listener.start(host, port, tls, keepalive_seconds)
        self._listeners.append(listener)
        self.log.info("listener_opened", listener=name, host=host, port=listener.port)
        return listener

    def connections(self) -> list[Connection]:
        """Those of all listeners that somebody is attending to."""
        return [connection for listener in self._listeners for connection in listener.connections]

    async def live(self, wire: Callable[["Service[S]"], Awaitable[None]]) -> int:
        """Wire, serve until SIGTERM or a failure, drain, close. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.draining.set)
        pages: Listener | None = None
        try:
            if self.settings.http_port:
                pages = Listener(
                    "http", self._pages.handle, asyncio.Event(), self.log, max_connections=100, overflow=b""
                )
                await pages.start(self.settings.http_host, self.settings.http_port, None)
            wiring = asyncio.ensure_future(wire(self))
            if not await self._finished(wiring):
                wiring.cancel()
                await asyncio.gather(wiring, return_exceptions=True)
            else:
                _settle_memory()
                self._pages.started = True
                self.log.info("service_started")
                await self._until_told()
        except Exception as error:
            # What a library raises on purpose has a sentence; what Python raises is a bug and has a stack.
            self.log.error("service_start_refused", reason=str(error), exc_info=isinstance(error, BUGS))
            self._failed.set()
        finally:
            self.draining.set()
            await self._shut_down()
            if pages is not None:
                pages.stop_accepting()
                await pages.wait_until_idle(0.5)
        return 1 if self._failed.is_set() else 0

    async def _finished(self, wiring: "asyncio.Future[None]") -> bool:
        """True when wired; False when told to end before."""
        told = asyncio.ensure_future(self._until_told())
        try:
            await asyncio.wait({wiring, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if wiring.done():
            await wiring
            return True
        return False

    async def _until_told(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self.draining, self._failed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _shut_down(self) -> None:
        self.log.info("drain_started", connections_open=len(self._listeners))
        for listener in self._listeners:
            listener.stop_accepting()
        seconds = self.settings.drain_seconds
        cut = await asyncio.gather(*(listener.wait_until_idle(seconds) for listener in self._listeners))
        # Tasks see `draining` and end by themselves; those that do not are cancelled.
        tasks = set(self._tasks)
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for closer in reversed(self._closers):
            try:
                async with asyncio.timeout(5.0):
                    await closer()
            except Exception as error:
                self.log.warning("close_failed", error=str(error))
        self.log.info("service_stopped", connections_cut=sum(cut))


class StartRefused(Exception):
    """The service must not start like this; the text says what to set."""


def _settle_memory() -> None:
    """What was made until now stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 10, 10)


def run(name: str, settings: type[S], wire: Callable[[Service[S]], Awaitable[None]]) -> None:
    """Live as the process of service `name`, then exit.

    `settings` is the settings class itself: a value that is missing or wrong
    ends the process with one clear line and exit code 2.
    """
    try:
        values = settings()  # the environment has the values
    except ValidationError as error:
        prefix = str(getattr(settings, "model_config", {}).get("env_prefix", ""))
        for problem in error.errors():
            field = "_".join(str(part) for part in problem["loc"])
            print(f"{name}: {(prefix + field).upper()}: {problem['msg']}", file=sys.stderr)
        sys.exit(2)
    logs.configure(name, values.log_level)

    try:
        service = Service(name, values)
    except (IdentityIncomplete, OSError) as error:
        print(f"{name}: identity: {error}", file=sys.stderr)
        sys.exit(2)

    async def live() -> int:
        return await service.live(wire)

    with contextlib.suppress(KeyboardInterrupt):
        code = uvloop.run(live())
        sys.stdout.flush()
        sys.exit(code)
