"""One child process: started, watched, started again when it dies, ended when told.

A child dies with the supervisor (PR_SET_PDEATHSIG), so that a `kill -9` of the
supervisor leaves nothing running. Restarts are quick at first and slow down
while it keeps dying.
"""

import asyncio
import contextlib
import ctypes
import signal
import time
from collections.abc import Callable
from pathlib import Path

from posthouse.errors import Problem
from posthouse.stack.part import Part
from posthouse.supervisor import state

PR_SET_PDEATHSIG = 1
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
# A process that lived so long is started again without a pause that grew.
STEADY_SECONDS = 30.0
LOG_LIMIT_OCTETS = 20 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A part and its process, if it has one now."""

    def __init__(self, part: Part, logs: Path, changed: Callable[[], None]) -> None:
        self.part = part
        self.restarts = 0
        self.started_at = 0.0
        self.problem = ""
        self._logs = logs
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    @property
    def log(self) -> Path:
        return self._logs / f"{self.part.name}.log"

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises Problem with the last thing it said."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.part.name}")
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Raises Problem when it is not ready in time or keeps dying."""
        deadline = time.monotonic() + self.part.ready_seconds
        restarts = self.restarts
        reason = "it did not answer"
        while time.monotonic() < deadline:
            try:
                if self.pid is not None:
                    async with asyncio.timeout(5.0):
                        await self.part.ready()
                    return
            except Exception as error:
                reason = str(error) or type(error).__name__
            if self.restarts - restarts >= 5 and self.pid is None:
                break
            await asyncio.sleep(0.05)
        raise Problem(f"{self.part.name} did not start: {self.last_words() or reason} (log: {self.log})")

    def last_words(self) -> str:
        """The last line of its log that says something of an error."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
        except OSError:
            return ""
        for line in reversed(lines):
            if "refused" in line or "rror" in line or "FATAL" in line:
                return line.strip()[:400]
        return lines[-1].strip()[:400] if lines else ""

    async def _spawn(self) -> None:
        if self.part.before is not None:
            self.part.before()
        self._rotate()
        with self.log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self.part.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.part.folder,
                    env=self.part.environment or None,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            except OSError as error:
                raise Problem(f"{self.part.name} cannot be started: {error}") from error
        self.started_at = state.started_at(self._process.pid)
        self._changed()

    def _rotate(self) -> None:
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_LIMIT_OCTETS:
                self.log.replace(self.log.with_suffix(".log.1"))

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            assert self._process is not None
            code = await self._process.wait()
            if self._stopping:
                return
            lived = time.time() - self.started_at
            pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)
            self.restarts += 1
            self.problem = f"ended with {code} after {lived:.1f} s"
            self._changed()
            await asyncio.sleep(pause)
            if self._stopping:
                return
            try:
                await self._spawn()
            except (Problem, OSError) as error:
                # Also where a disk is full and it has nowhere to log: it is tried again until there is room.
                self.problem = str(error)

    async def stop(self) -> bool:
        """End it, politely and then not; True when it ended politely."""
        self._stopping = True
        process = self._process
        polite = True
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.part.stop_signal)
            try:
                async with asyncio.timeout(self.part.stop_seconds):
                    await process.wait()
            except TimeoutError:
                polite = False
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._changed()
        return polite
