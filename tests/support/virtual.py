"""Virtual time: an event loop on which nobody waits; where nothing is to be done its clock jumps to what comes next."""

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

BEGINNING = datetime(2026, 11, 21, tzinfo=UTC)


class _Jump(selectors.DefaultSelector):
    """Time that would be waited for has passed."""

    passed_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = super().select(0)
        if not found and timeout:
            self.passed_seconds += timeout
        return found

    def get_map(self) -> Mapping[Any, Any]:
        found: Mapping[Any, Any] = super().get_map()
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """For asyncio.Runner(loop_factory=VirtualLoop); only for what does no I/O."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.passed_seconds

    def now(self) -> datetime:
        """The calendar's time."""
        return BEGINNING + timedelta(seconds=self.time())
