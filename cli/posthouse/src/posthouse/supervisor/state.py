"""What an installation says of itself in run/state.json, and who may run in a data folder."""

import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from posthouse.errors import Problem, Unreachable
from posthouse.stack.layout import Layout

# As this process took it to be; it moves with the clock, and what lies between it and the start of a process doesn't.
BOOTED_AT = psutil.boot_time()
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Another one after each boot; "" where the kernel says none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass
class ProcessState:
    """One process as it was when the state was written."""

    name: str
    pid: int
    started_at: float
    port: int
    status_port: int
    restarts: int
    problem: str


@dataclass
class State:
    """The installation as a whole. phase: starting, running, stopping, stopped, failed."""

    phase: str
    pid: int
    started_at: float
    port_base: int
    message: str = ""
    processes: list[ProcessState] = field(default_factory=list)
    # By which clock the times are. A clock that was set meanwhile must not make a process another one.
    boot_id: str = field(default_factory=boot_id)
    booted_at: float = BOOTED_AT

    def is_alive(self, pid: int, started_at: float) -> bool:
        """Whether one of its processes still runs."""
        if not self.boot_id:
            return is_alive(pid, started_at)
        if self.boot_id != boot_id():
            return False
        return is_alive(pid, started_at - self.booted_at + psutil.boot_time())

    def write(self, path: Path) -> None:
        """Replace the file at once: a reader sees the old one or the new one."""
        draft = path.with_name(path.name + ".draft")
        draft.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        draft.replace(path)


def read(layout: Layout) -> State | None:
    """The state last written, or None."""
    try:
        values: dict[str, Any] = json.loads(layout.state_file.read_text(encoding="utf-8"))
        processes = [ProcessState(**each) for each in values.pop("processes")]
        # What an older version wrote says nothing of the boot.
        return State(**{"boot_id": "", **values}, processes=processes)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_running(layout: Layout) -> State:
    """The state of an installation that runs. Raises Unreachable."""
    state = read(layout)
    if state is None or not state.is_alive(state.pid, state.started_at):
        raise Unreachable(f"nothing runs in {layout.root}; start it with `posthouse up`.")
    return state


def started_at(pid: int) -> float:
    """When the kernel began this process; not when we came to ask, which on a busy machine is seconds later."""
    try:
        return psutil.Process(pid).create_time() - psutil.boot_time() + BOOTED_AT
    except psutil.NoSuchProcess:
        return time.time()


def is_alive(pid: int, started_at: float) -> bool:
    """Whether this very process still runs, and not another with its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started_at) < 3
    except psutil.NoSuchProcess:
        return False


class Lock:
    """Only one supervisor works in a data folder."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.run / "lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises Problem naming who has it."""
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise Problem(
                f"{self._path.parent.parent} is in use by another `posthouse up` (pid {holder}); "
                "stop that with `posthouse down`, or choose another folder with --data."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file


def end_leftovers(layout: Layout) -> list[str]:
    """End processes that a killed supervisor of this folder left behind; their names."""
    state = read(layout)
    if state is None:
        return []
    ended = []
    for each in state.processes:
        if each.pid and state.is_alive(each.pid, each.started_at):
            try:
                os.kill(each.pid, signal.SIGKILL)
                ended.append(each.name)
            except OSError:
                continue
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(
        state.is_alive(p.pid, p.started_at) for p in state.processes if p.pid
    ):
        time.sleep(0.05)
    return ended
