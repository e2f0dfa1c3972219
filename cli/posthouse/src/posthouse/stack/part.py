"""What the supervisor needs to know of a process: how to start it, when it is ready, how to end it."""

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path


async def _at_once() -> None:
    return


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the installation. `ready` raises while it is not."""

    name: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    ready: Callable[[], Awaitable[None]] = _at_once
    # Called before each start, also a restart.
    before: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    ready_seconds: float = 60.0
    port: int = 0
    status_port: int = 0


def go_environment() -> dict[str, str]:
    """For parts written in Go: half of the machine's cores. Their idle threads look for work on all of them otherwise,
    and where a dozen processes share the machine that costs a third more than the work itself.
    """
    return {"GOMAXPROCS": str(max(1, (os.cpu_count() or 2) // 2))}
