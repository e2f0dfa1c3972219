"""A part of the platform by itself: a real daemon that a test may stop, hold still and kill."""

import asyncio
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import psutil
from posthouse.stack.part import Part

from tests.support.platform import _die_with_parent

START_SECONDS = 90.0


class Daemon:
    """Runs while in the context."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.port = part.port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Daemon":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Until it is ready. Raises RuntimeError with what it said."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.part.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.part.folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                # A thread of its own: the test may be inside a loop.
                with ThreadPoolExecutor(1) as thread:
                    thread.submit(lambda: asyncio.run(_ready(self.part))).result()
            except (OSError, TimeoutError):
                time.sleep(0.02)
            else:
                return
        self.kill()
        raise RuntimeError(f"{self.part.name} did not start: {self._log.read_text()[-2000:]}")

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self._process is not None and self.is_running:
            self._process.kill()
            self._process.wait()

    def hold_still(self) -> None:
        """It listens, and does nothing more."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def connections(self) -> int:
        """How many clients it has."""
        return sum(
            1
            for each in psutil.net_connections("tcp")
            if each.laddr and each.laddr.port == self.port and each.status == psutil.CONN_ESTABLISHED
        )


def few_domains(folder: Path) -> Path:
    """Top-level domains for rspamd, few of them."""
    path = folder / "domains.txt"
    path.write_text("com\norg\ntest\ninvalid\n")
    path.chmod(0o644)
    return path


async def _ready(part: Part) -> None:
    await part.ready()
