"""Postfix as a relay, to stand beside ours in `python -m tests.bench.relay --peer`: a full queue, emptied into the same sink.

Its queue is filled while the transport is told to defer; then that is lifted and the queue flushed. Durable as it
comes, no TLS, no DNS. Needs root and Debian's postfix.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.bench.cpu import tree_seconds
from tests.bench.peer import MAIN_CF, MASTER_CF, POSTFIX_PROGRAMS
from tests.support.dnsserver import free_port

DEFER = "defer_transports = smtp\n"
SETTINGS = """\
transport_maps = static:smtp:[127.0.0.1]:{sink}
default_destination_concurrency_limit = {at_once}
default_process_limit = 100
initial_destination_concurrency = {at_once}
"""


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    if os.geteuid() != 0:
        return "Postfix can only be run by root"
    return "" if shutil.which("postfix") and shutil.which("smtp-source") else "postfix is not installed"


class RelayPeer:
    """One Postfix, started by us and stopped by us."""

    def __init__(self, root: Path, sink_port: int, at_once: int) -> None:
        self._root = root
        self._etc = root / "postfix/etc"
        self._port = free_port()
        values = {"root": root, "smtp": self._port, "lmtp": free_port()}
        settings = SETTINGS.format(sink=sink_port, at_once=at_once)
        lines = [line for line in MAIN_CF.format(**values).splitlines() if not line.startswith("virtual_")]
        self._main = "\n".join(lines) + "\n" + settings
        # Who flushes the queue looks for the pickup service.
        self._master = MASTER_CF.format(**values) + "pickup unix n - n 60 1 pickup\n"
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, *words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, timeout=120)

    def start_full(self, messages: int, size_octets: int) -> None:
        """Start it and give it so many messages, which it keeps."""
        for folder in ("etc", "spool", "data"):
            (self._root / "postfix" / folder).mkdir(parents=True, exist_ok=True)
        os.chown(self._root / "postfix/data", pwd.getpwnam("postfix").pw_uid, -1)
        self._root.chmod(0o755)
        (self._etc / "main.cf").write_text(self._main + DEFER)
        (self._etc / "master.cf").write_text(self._master)
        self._run("/usr/sbin/postfix", "-c", str(self._etc), "check")
        self._process = subprocess.Popen(
            [str(POSTFIX_PROGRAMS / "master"), "-c", str(self._etc), "-d"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        self._run(
            *("/usr/sbin/smtp-source", "-s", "10", "-m", str(messages), "-l", str(size_octets)),
            *("-f", "s@ours.test", "-t", "r@d.test", f"127.0.0.1:{self._port}"),
        )
        deadline = time.monotonic() + 60
        while self._waiting("deferred") < messages and time.monotonic() < deadline:
            time.sleep(0.1)

    def _waiting(self, queue: str) -> int:
        return sum(len(files) for _, _, files in os.walk(self._root / "postfix/spool" / queue))

    def flush(self) -> None:
        """Let it go."""
        (self._etc / "main.cf").write_text(self._main)
        self._run("/usr/sbin/postfix", "-c", str(self._etc), "reload")
        time.sleep(1)
        self._run("/usr/sbin/postqueue", "-c", str(self._etc), "-f")

    @property
    def cpu_seconds(self) -> float:
        """Of all its processes, so far."""
        assert self._process is not None
        return tree_seconds([self._process.pid])

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
