"""Changes of many items go on here, batch by batch, with the notices that they cause.

Notices are made after the commit, a few at a time, before the next batch: what a
process that dies leaves is made by the sweep (edge.notices).
"""

import asyncio
import contextlib
from collections import deque

from pgkit import DatabaseUnavailable
from servicekit import logs

from mta_queue.adapters.changes import Changes
from mta_queue.core.records import JobStatus
from mta_queue.edge.notices import Notices
from mta_queue.ports import Due

LOG = logs.logger("mta_queue.jobs")
NOTICES_AT_ONCE = 8
# How often a job is looked for that another process left.
LOOK_SECONDS = 2.0


class Jobs:
    """Several processes may run it."""

    def __init__(self, changes: Changes, notices: Notices, draining: asyncio.Event) -> None:
        self._changes = changes
        self._notices = notices
        self._draining = draining
        self._dues: deque[Due] = deque()
        self._wake = asyncio.Event()

    async def step(self, job_id: str | None = None) -> bool:
        """One batch of this job, or of any; False where there was none. Raises DatabaseUnavailable."""
        step = await self._changes.step(job_id)
        if step is None:
            return False
        self._dues.extend(step.dues)
        self._wake.set()
        if step.job.status is not JobStatus.RUNNING:
            LOG.info(
                "job_ended",
                job_id=step.job.job_id,
                action=step.job.action,
                status=step.job.status.value,
                changed=step.job.changed,
                skipped=step.job.skipped,
            )
        return True

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            await self._notify()
            try:
                if await self.step():
                    continue
            except DatabaseUnavailable as error:
                LOG.warning("job_postponed", error=str(error))
            self._wake.clear()
            if not self._dues:
                await self._pause()

    async def _notify(self) -> None:
        while self._dues and not self._draining.is_set():
            some = [self._dues.popleft() for _ in range(min(NOTICES_AT_ONCE, len(self._dues)))]
            await asyncio.gather(*(self._notices.make(due) for due in some))

    async def _pause(self) -> None:
        waits = [asyncio.ensure_future(each.wait()) for each in (self._wake, self._draining)]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
