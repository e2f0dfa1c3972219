"""The filing loop: fetch what has come, file it in one transaction, then acknowledge.

The acknowledgement comes after the commit, so a crash between the two brings the
message again, and the store finds (queue id, recipient) filed already. When a
batch fails by itself (not because PostgreSQL is away), its messages are tried one
by one, so that one bad message does not hold up its neighbours; what fails alone
`poison_tries` times is put aside, counted and logged.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from blobstore import BlobUnavailable
from directoryclient import Unavailable
from mailstore import Delivery, StoreUnavailable
from servicekit import logs
from spool import Malformed, OutcomeUnknown, SpooledLetter, SpoolUnavailable, decode

from mda import metrics
from mda.core.plan import plan
from mda.ports import Item, Mailboxes, Quarantine, Receipts, Source

FETCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """One message and the deliveries it asks for."""

    item: Item
    letter: SpooledLetter
    deliveries: list[Delivery]


class Filing:
    """Several tasks may run it; fetching is one at a time, filing is not."""

    def __init__(
        self,
        source: Source,
        mailboxes: Mailboxes,
        quarantine: Quarantine,
        receipts: Receipts,
        draining: asyncio.Event,
        *,
        batch_messages: int,
        retry_seconds: float,
        poison_tries: int,
    ) -> None:
        self._source = source
        self._mailboxes = mailboxes
        self._quarantine = quarantine
        self._receipts = receipts
        self._draining = draining
        self._batch_messages = batch_messages
        self._retry_seconds = retry_seconds
        self._poison_tries = poison_tries
        self._fetching = asyncio.Lock()
        self._log = logs.logger("mda.filing")

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            async with self._fetching:
                items = await self._source.fetch(self._batch_messages, FETCH_SECONDS)
            if items:
                await self._file(items)

    async def _file(self, items: Sequence[Item]) -> None:
        jobs = []
        for item in items:
            try:
                letter = decode(item.payload)
                jobs.append(Job(item, letter, plan(letter)))
            except (Malformed, ValueError) as error:
                await self._poison(item, str(error))
        if jobs:
            await self._file_together(jobs)

    async def _file_together(self, jobs: Sequence[Job]) -> None:
        try:
            await self._commit(jobs)
        except StoreUnavailable as error:
            metrics.POSTPONED.inc(len(jobs))
            self._log.warning("filing_postponed", messages=len(jobs), error=str(error))
            for job in jobs:
                await job.item.retry_later(self._retry_seconds)
            await asyncio.sleep(self._retry_seconds)
        except Exception as error:
            if len(jobs) > 1:
                self._log.warning("batch_failed", messages=len(jobs), error=str(error))
                for job in jobs:
                    await self._file_together([job])
            elif jobs[0].item.deliveries >= self._poison_tries:
                await self._poison(jobs[0].item, str(error))
            else:
                self._log.exception("filing_failed", queue_id=jobs[0].letter.envelope.queue_id)
                await jobs[0].item.retry_later(self._retry_seconds)

    async def _commit(self, jobs: Sequence[Job]) -> None:
        started = time.perf_counter()
        outcomes = await self._mailboxes.deliver([delivery for job in jobs for delivery in job.deliveries])
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.BATCH.observe(len(jobs))
        filed = sum(outcomes)
        metrics.FILED.inc(filed)
        metrics.REPEATED.inc(len(outcomes) - filed)
        now = datetime.now(UTC)
        for job in jobs:
            envelope = job.letter.envelope
            try:
                await self._receipts.tell(job.letter)
            except (Unavailable, SpoolUnavailable, OutcomeUnknown) as error:
                # It is filed, and comes again for the receipt only.
                self._log.warning("receipt_postponed", queue_id=envelope.queue_id, error=str(error))
                await job.item.retry_later(self._retry_seconds)
                continue
            await job.item.acknowledge()
            metrics.WAITED_SECONDS.observe(max(0.0, (now - envelope.arrived_at).total_seconds()))
            self._log.debug("message_filed", queue_id=envelope.queue_id, recipients=len(job.deliveries))

    async def _poison(self, item: Item, reason: str) -> None:
        try:
            await self._quarantine.put_aside(item.payload, reason)
        except BlobUnavailable as error:
            self._log.warning("poison_postponed", error=str(error))
            await item.retry_later(self._retry_seconds)
            return
        metrics.POISONED.inc()
        self._log.error("message_poisoned", reason=reason)
        await item.acknowledge()
