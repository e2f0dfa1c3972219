"""Telling what happened to mail (`core/happened.py`): collected for a second, so that a busy tenant costs one message of the
bus in it. A process that dies has not told of its last second.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from mailstore import Delivery, Outcome
from spool import Envelope

from mda import metrics
from mda.core import happened
from mda.core.findings import Finding
from mda.core.happened import Event
from mda.core.told import Refusal

PAUSE_SECONDS = 1.0
MOST_TOGETHER = 500
# A message of the bus has at most a mebibyte; what is larger is told to nobody. One event is far smaller.
MOST_OCTETS = 768 * 1024


class Reporting:
    """Nobody waits for it, and it never fails."""

    def __init__(self, tell: Callable[[str, bytes], None], draining: asyncio.Event) -> None:
        """`tell` takes a tenant's id and a payload."""
        self._tell = tell
        self._draining = draining
        self._waiting: dict[str, list[Event]] = {}

    def filed(self, envelope: Envelope, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> None:
        """What became of a message's deliveries."""
        self._add(envelope, happened.of_deliveries(envelope, deliveries, outcomes, datetime.now(UTC)))

    def quarantined(self, envelope: Envelope, findings: Sequence[Finding]) -> None:
        """It is kept back."""
        self._add(envelope, [happened.of_quarantine(envelope, findings, datetime.now(UTC))])

    def refused(self, envelope: Envelope, refusals: Mapping[str, Refusal]) -> None:
        """By recipient's address."""
        self._add(envelope, happened.of_refusals(envelope, refusals, datetime.now(UTC)))

    def _add(self, envelope: Envelope, events: Iterable[Event]) -> None:
        waiting = self._waiting.setdefault(envelope.tenant_id, [])
        waiting.extend(events)
        if len(waiting) >= MOST_TOGETHER:
            self._flush(envelope.tenant_id)

    def _flush(self, tenant_id: str) -> None:
        events = self._waiting.pop(tenant_id, [])
        for start in range(0, len(events), MOST_TOGETHER):
            self._tell_of(tenant_id, events[start : start + MOST_TOGETHER])
        metrics.EVENTS.inc(len(events))

    def _tell_of(self, tenant_id: str, events: Sequence[Event]) -> None:
        payload = happened.encode(events)
        if len(payload) <= MOST_OCTETS or len(events) == 1:
            self._tell(tenant_id, payload)
            return
        half = len(events) // 2
        self._tell_of(tenant_id, events[:half])
        self._tell_of(tenant_id, events[half:])

    def flush(self) -> None:
        """Tell all that waits."""
        for tenant_id in list(self._waiting):
            self._flush(tenant_id)

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            try:
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._draining.wait()
            except TimeoutError:
                self.flush()
        self.flush()
