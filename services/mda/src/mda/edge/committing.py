"""The commit of a batch, and what follows it: the senders who are told, then the acknowledgement."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from directoryclient import Unavailable
from mailstore import Delivery, Outcome, StoreUnavailable
from servicekit import logs
from spool import OutcomeUnknown, SpoolUnavailable

from mda import metrics
from mda.core.lateness import TOO_LATE
from mda.core.plan import over_quota, refused_before
from mda.core.returned import came_back
from mda.core.told import KEY_UNUSABLE, OVER_QUOTA, Refusal
from mda.edge.fullness import Fullness
from mda.edge.jobs import Job
from mda.edge.reporting import Reporting
from mda.edge.setbacks import Setbacks
from mda.ports import Mailboxes, Receipts

LOG = logs.logger("mda.filing")


class Committing:
    """Of one process."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        receipts: Receipts,
        setbacks: Setbacks,
        fullness: Fullness | None,
        reporting: Reporting | None,
        returned: Callable[[bytes], None],
    ) -> None:
        self._mailboxes = mailboxes
        self._receipts = receipts
        self._setbacks = setbacks
        self._fullness = fullness
        self._reporting = reporting
        self._returned = returned

    async def commit(self, jobs: Sequence[Job]) -> None:
        """File them, in one transaction where that goes, and settle them."""
        try:
            await self._commit_together(jobs)
        except StoreUnavailable as error:
            await self._setbacks.batch_postponed(jobs, error)
            await self._setbacks.pause()
        except Exception as error:
            if len(jobs) > 1:
                LOG.warning("batch_failed", messages=len(jobs), error=str(error))
                for job in jobs:
                    await self.commit([job])
            else:
                if not self._setbacks.is_poison(jobs[0].item):
                    LOG.exception("filing_failed", queue_id=jobs[0].letter.envelope.queue_id)
                await self._setbacks.again_or_poison(jobs[0].item, str(error))

    async def _commit_together(self, jobs: Sequence[Job]) -> None:
        started = time.perf_counter()
        deliveries = [delivery for job in jobs for delivery in job.deliveries]
        outcomes = await self._mailboxes.deliver(deliveries) if deliveries else []
        if self._fullness is not None:
            self._fullness.filed(deliveries)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.BATCH.observe(len(jobs))
        metrics.FILED.inc(outcomes.count(Outcome.FILED))
        metrics.REPEATED.inc(outcomes.count(Outcome.REPEATED) + outcomes.count(Outcome.REFUSED))
        now = datetime.now(UTC)
        place = 0
        for job in jobs:
            envelope = job.letter.envelope
            mine = outcomes[place : place + len(job.deliveries)]
            refused, before = over_quota(job.deliveries, mine), refused_before(job.deliveries, mine)
            place += len(job.deliveries)
            if self._reporting is not None:
                self._reporting.filed(envelope, job.deliveries, mine)
            try:
                if refused or job.unsealable or job.late or job.rejected:
                    await self._bounce(job, refused, before)
                else:
                    await self._receipts.tell(job.letter, before)
            except (Unavailable, SpoolUnavailable, OutcomeUnknown, StoreUnavailable) as error:
                # It is filed, and comes again for the receipt only.
                LOG.warning("receipt_postponed", queue_id=envelope.queue_id, error=str(error))
                await self._setbacks.again(job.item)
                continue
            await job.item.acknowledge()
            if came_back(job.letter):
                self._returned(job.item.payload)
            metrics.WAITED_SECONDS.observe(max(0.0, (now - envelope.arrived_at).total_seconds()))
            LOG.debug("message_filed", queue_id=envelope.queue_id, recipients=len(job.deliveries))

    async def _bounce(self, job: Job, refused: Sequence[Delivery], before: Mapping[str, Refusal]) -> None:
        """Tell the sender, then count these deliveries as settled. Of those refused `before` nobody is told anything."""
        refusals = {each.recipient: KEY_UNUSABLE for each in job.unsealable}
        refusals |= {each.recipient: TOO_LATE for each in job.late}
        refusals |= {each.recipient: refusal for each, refusal in job.rejected}
        if refused:
            refusals |= {each.recipient: OVER_QUOTA for each in refused}
            metrics.OVER_QUOTA.inc(len(refused))
            LOG.info(
                "delivery_over_quota",
                queue_id=job.letter.envelope.queue_id,
                account_ids=[each.account.account_id for each in refused],
            )
        await self._receipts.tell(job.letter, {**refusals, **before})
        settled = (*refused, *job.unsealable, *job.late, *(each for each, _ in job.rejected))
        await self._mailboxes.deliver(
            [replace(each, new=None, refused=refusals[each.recipient].status) for each in settled]
        )
        if self._reporting is not None:
            self._reporting.refused(job.letter.envelope, refusals)
