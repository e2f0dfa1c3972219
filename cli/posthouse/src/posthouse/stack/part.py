"""What the supervisor needs to know of a process: how to start it, when it is ready, how to end it."""

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
