"""What becomes of a message that cannot go on now: it comes again, or is put aside for a human."""

import asyncio
from collections.abc import Sequence

from blobstore import BlobUnavailable
from servicekit import logs
from spool import BusLetter, Envelope

from mda import metrics
from mda.edge.jobs import Job
from mda.ports import Quarantine

LOG = logs.logger("mda.filing")


class Setbacks:
    """Of one process."""

    def __init__(self, quarantine: Quarantine, *, retry_seconds: float, poison_tries: int) -> None:
        self._quarantine = quarantine
        self.retry_seconds = retry_seconds
        self._poison_tries = poison_tries

    async def again(self, item: BusLetter) -> None:
        """Later; the reason is told elsewhere."""
        await item.retry_later(self.retry_seconds)

    async def postponed(self, event: str, queue_id: str, item: BusLetter, error: Exception) -> None:
        """Somebody who is needed is away."""
        metrics.POSTPONED.inc()
        LOG.warning(event, queue_id=queue_id, error=str(error))
        await self.again(item)

    async def batch_postponed(self, jobs: Sequence[Job], error: Exception) -> None:
        """The same for all of them; the next batch waits as well."""
        metrics.POSTPONED.inc(len(jobs))
        LOG.warning("filing_postponed", messages=len(jobs), error=str(error))
        for job in jobs:
            await self.again(job.item)

    async def pause(self) -> None:
        """There is no use in trying the next one at once."""
        await asyncio.sleep(self.retry_seconds)

    def is_poison(self, item: BusLetter) -> bool:
        """Whether it was tried often enough."""
        return item.deliveries >= self._poison_tries

    async def again_or_poison(self, item: BusLetter, reason: str) -> None:
        """The fault may be the message's."""
        if self.is_poison(item):
            await self.poison(item, reason)
        else:
            await self.again(item)

    async def tenant_gone(self, envelope: Envelope, item: BusLetter, error: Exception) -> None:
        """It was removed while its mail was under way: nobody is there to get it, nor to be told."""
        LOG.warning("tenant_gone", queue_id=envelope.queue_id, tenant_id=envelope.tenant_id, error=str(error))
        await self.again_or_poison(item, f"tenant {envelope.tenant_id}: {error}")

    async def poison(self, item: BusLetter, reason: str) -> None:
        """Put it aside."""
        try:
            await self._quarantine.put_aside(item.payload, reason)
        except BlobUnavailable as error:
            LOG.warning("poison_postponed", error=str(error))
            await self.again(item)
            return
        metrics.POISONED.inc()
        LOG.error("message_poisoned", reason=reason)
        await item.acknowledge()
