"""The filing loop: fetch what has come, file it in one transaction, then acknowledge.

The acknowledgement comes after the commit, so a crash between the two brings the
message again, and the store finds (queue id, recipient) filed already. When a
batch fails by itself (not because PostgreSQL is away), its messages are tried one
by one, so that one bad message does not hold up its neighbours; what fails alone
`poison_tries` times is put aside, counted and logged.

Where there are scanners, a batch is screened before its commit, several messages
at once. What takes longer than `hold_seconds` holds nobody up: the others are
filed meanwhile, and so are later batches.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from blobstore import BlobMissing, BlobShredded, BlobUnavailable, TenantGone
from directoryclient import Unavailable
from mailstore import ActiveScripts, StoreUnavailable
from servicekit import logs
from spool import BusLetter, Malformed, OutcomeUnknown, SpoolUnavailable, decode

from mda import metrics
from mda.core.findings import Disposition
from mda.core.lists import MailingList
from mda.edge.committing import Committing
from mda.edge.distributing import Distributing
from mda.edge.fullness import Fullness
from mda.edge.jobs import Arrived, Job
from mda.edge.planning import Planning
from mda.edge.reporting import Reporting
from mda.edge.screening import Screened, Screening
from mda.edge.sealing import Sealing
from mda.edge.setbacks import Setbacks
from mda.edge.sorting import Sorting
from mda.ports import NOBODY_CHOSE, Choices, Mailboxes, Policies, Quarantine, Receipts, Source, Tenants

# Short: the drain is heard after it.
FETCH_SECONDS = 0.25
# Messages to mailing lists that are worked on beside the batches.
LISTS_AT_ONCE = 4
# Messages whose scan takes long, beside the batches; with more of them the next batch waits.
SLOW_AT_ONCE = 64


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
        screening: Screening | None = None,
        sorting: Sorting | None = None,
        sealing: Sealing | None = None,
        hold_seconds: float = 2.0,
        fullness: Fullness | None = None,
        policies: Policies = NOBODY_CHOSE,
        returned: Callable[[bytes], None] = lambda payload: None,
        choices: Choices | None = None,
        distributing: Distributing | None = None,
        reporting: Reporting | None = None,
        tenants: Tenants | None = None,
    ) -> None:
        self._reporting = reporting
        self._distributing = distributing
        self._apart: set[asyncio.Task[None]] = set()
        self._slow: dict[asyncio.Task[None], int] = {}
        # What ends the process: the bus cannot be told what is settled.
        self._broken: BaseException | None = None
        self._source = source
        self._mailboxes = mailboxes
        self._quarantine = quarantine
        self._screening = screening
        self._sorting = sorting
        self._sealing = sealing
        self._setbacks = Setbacks(quarantine, retry_seconds=retry_seconds, poison_tries=poison_tries)
        self._planning = Planning(mailboxes, policies, choices, receipts, self._setbacks, tenants)
        self._committing = Committing(mailboxes, receipts, self._setbacks, fullness, reporting, returned)
        self._draining = draining
        self._batch_messages = batch_messages
        self._hold_seconds = hold_seconds
        self._fetching = asyncio.Lock()
        self._log = logs.logger("mda.filing")

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            if self._broken is not None:
                raise self._broken
            async with self._fetching:
                items = await self._source.fetch(self._batch_messages, FETCH_SECONDS)
            if items:
                await self._file(items)
        await asyncio.gather(*self._slow)
        # What is not done comes again, and its pages that were sent are known.
        for task in list(self._apart):
            task.cancel()
        await asyncio.gather(*self._apart, return_exceptions=True)

    async def _file(self, items: Sequence[BusLetter]) -> None:
        arrived = []
        for item in items:
            try:
                arrived.append(Arrived(item, decode(item.payload)))
            except Malformed as error:
                await self._setbacks.poison(item, str(error))
        if self._screening is None:
            metrics.WITHOUT_SCANNER.inc(len(arrived))
            await self._file_as_they_are(arrived)
        else:
            await self._screen(self._screening, arrived)

    async def _file_as_they_are(self, arrived: Sequence[Arrived]) -> None:
        jobs = []
        for each in arrived:
            try:
                job = await self._planning.job(each, None)
            except Exception as error:
                await self._failed(each.item, each.letter.envelope.queue_id, error)
                continue
            if job is not None:
                jobs.append(job)
        if jobs:
            await self._file_together(jobs)

    async def _failed(self, item: BusLetter, queue_id: str, error: Exception) -> None:
        """A bug: the process goes on, and its message does so until it is put aside."""
        self._log.exception("settling_failed", queue_id=queue_id)
        await self._setbacks.again_or_poison(item, str(error))

    # -- with scanners

    async def _screen(self, screening: Screening, arrived: Sequence[Arrived]) -> None:
        waiting = {asyncio.create_task(screening.screen(each.letter)): each for each in arrived}
        waits = 0
        try:
            while waiting:
                waits += await self._settle_some(waiting)
                if waiting and sum(self._slow.values()) + len(waiting) <= SLOW_AT_ONCE:
                    self._go_on_beside(waiting)
                    waiting = {}
        finally:
            await _cancelled(waiting)
        if screening.is_down and waits == len(arrived):
            await self._setbacks.pause()

    async def _settle_some(self, waiting: dict[asyncio.Task[Screened], Arrived]) -> int:
        """Those that are screened within `hold_seconds` are settled; how many of them wait for a scanner."""
        # They may have lain here for a while before they were fetched.
        for each in waiting.values():
            await each.item.keep_working()
        await asyncio.wait(waiting, timeout=self._hold_seconds)
        done = [task for task in waiting if task.done()]
        waits = sum(task.result().disposition is Disposition.WAIT for task in done)
        await self._settle([(waiting.pop(task), task.result()) for task in done])
        return waits

    def _go_on_beside(self, waiting: dict[asyncio.Task[Screened], Arrived]) -> None:
        async def go_on() -> None:
            try:
                while waiting:
                    await self._settle_some(waiting)
            finally:
                await _cancelled(waiting)

        def ended(task: asyncio.Task[None]) -> None:
            del self._slow[task]
            if not task.cancelled() and (error := task.exception()) is not None:
                self._broken = error

        task = asyncio.create_task(go_on())
        self._slow[task] = len(waiting)
        task.add_done_callback(ended)

    async def _settle(self, screened: Sequence[tuple[Arrived, Screened]]) -> None:
        jobs = []
        for arrived, result in screened:
            try:
                job = await self._settle_one(arrived, result)
            except Exception as error:
                await self._failed(arrived.item, arrived.letter.envelope.queue_id, error)
                continue
            if job is not None:
                jobs.append(job)
        if jobs:
            await self._file_together(jobs)

    async def _settle_one(self, arrived: Arrived, result: Screened) -> Job | None:
        """Whatever is not filed is settled here."""
        queue_id = arrived.letter.envelope.queue_id
        match result.disposition:
            case Disposition.FILE | Disposition.JUNK:
                return await self._planning.job(arrived, result)
            case Disposition.QUARANTINE:
                await self._hold(arrived, result)
            case Disposition.WAIT:
                metrics.AWAITING_SCAN.inc()
                self._log.debug("scan_awaited", queue_id=queue_id, reason=result.problem)
                await self._setbacks.again(arrived.item)
            case Disposition.UNREADABLE:
                self._log.error("body_unreadable", queue_id=queue_id, error=result.problem)
                await self._setbacks.again_or_poison(arrived.item, result.problem)
            case _:
                assert_never(result.disposition)
        return None

    async def _hold(self, arrived: Arrived, result: Screened) -> None:
        envelope = arrived.letter.envelope
        try:
            await self._quarantine.hold(arrived.letter, result.content, result.findings)
        except TenantGone as error:
            await self._setbacks.tenant_gone(envelope, arrived.item, error)
            return
        except BlobUnavailable as error:
            self._log.warning("quarantine_postponed", queue_id=envelope.queue_id, error=str(error))
            await self._setbacks.again(arrived.item)
            return
        metrics.QUARANTINED.inc()
        if self._reporting is not None:
            self._reporting.quarantined(envelope, result.findings)
        self._log.warning(
            "message_quarantined",
            queue_id=envelope.queue_id,
            tenant_id=envelope.tenant_id,
            recipients=len(envelope.recipients),
            findings=[
                f"{each.scanner}: {each.verdict.value} {each.detail}".strip() for each in result.findings
            ],
        )
        await arrived.item.acknowledge()

    # -- users' scripts

    async def _sorted(self, sorting: Sorting, jobs: Sequence[Job]) -> list[Job]:
        """The jobs as their users' scripts want them; those that cannot be sorted now come again."""
        active = await sorting.active(list({each.account for job in jobs for each in job.deliveries}))
        if not active:
            return list(jobs)
        done = await asyncio.gather(*(self._sort(sorting, job, active) for job in jobs))
        return [job for job in done if job is not None]

    async def _sort(self, sorting: Sorting, job: Job, active: dict[str, ActiveScripts]) -> Job | None:
        if not any(each.account.account_id in active for each in job.deliveries):
            return job
        queue_id = job.letter.envelope.queue_id
        try:
            await job.item.keep_working()
            if job.item.deliveries > 1:
                # What was settled before is not run again: its mail was sent.
                known = await self._mailboxes.settled([queue_id])
                active = {
                    account_id: scripts
                    for account_id, scripts in active.items()
                    if not any(
                        each.account.account_id == account_id and (queue_id, each.recipient) in known
                        for each in job.deliveries
                    )
                }
            done = await sorting.sort(job.letter, job.deliveries, active, job.findings, is_junk=job.is_junk)
            return replace(job, deliveries=done.deliveries, rejected=tuple(done.rejected))
        except (StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, Unavailable) as error:
            await self._setbacks.postponed("sorting_postponed", queue_id, job.item, error)
            return None
        except Exception:
            # A bug of ours must not keep mail from its reader.
            self._log.exception("sorting_failed", queue_id=queue_id)
            return job

    # -- mailing lists

    async def _without_lists(self, distributing: Distributing, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that are to no list. The others are worked on beside the batches: a list may have many members."""
        accounts = list({each.account for job in jobs for each in job.deliveries})
        try:
            lists = await distributing.among(accounts)
        except Unavailable as error:
            await self._setbacks.batch_postponed(jobs, error)
            return []
        others = []
        for job in jobs:
            mine = {
                each.account.account_id: lists[each.account.account_id]
                for each in job.deliveries
                if each.account.account_id in lists
            }
            if not mine:
                others.append(job)
            elif len(self._apart) >= LISTS_AT_ONCE:
                await self._setbacks.again(job.item)
            else:
                task = asyncio.create_task(self._to_lists(distributing, job, mine))
                self._apart.add(task)
                task.add_done_callback(self._apart.discard)
        return others

    async def _to_lists(self, distributing: Distributing, job: Job, lists: dict[str, MailingList]) -> None:
        queue_id = job.letter.envelope.queue_id
        try:
            await job.item.keep_working()
            known = await self._mailboxes.settled([queue_id]) if job.item.deliveries > 1 else set()
            waiting = {
                each.account.account_id: lists[each.account.account_id]
                for each in job.deliveries
                if each.account.account_id in lists and (queue_id, each.recipient) not in known
            }
            deliveries = await distributing.settle(
                job.letter,
                job.deliveries,
                waiting,
                job.item.keep_working,
                suspect="it is taken for junk" if job.is_junk else "",
            )
            sorted_: list[Job] = [replace(job, deliveries=deliveries)]
            if self._sorting is not None:
                sorted_ = await self._sorted(self._sorting, sorted_)
            await self._seal_and_commit(sorted_)
        except (StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, Unavailable) as error:
            await self._setbacks.postponed("list_postponed", queue_id, job.item, error)
        except Exception as error:
            self._log.exception("list_failed", queue_id=queue_id)
            await self._setbacks.again_or_poison(job.item, str(error))

    # -- users' keys

    async def _sealed(self, sealing: Sealing, jobs: Sequence[Job]) -> list[Job]:
        """The jobs as they are to be stored; those that cannot be encrypted now come again."""
        done = await asyncio.gather(*(self._seal(sealing, job) for job in jobs))
        return [job for job in done if job is not None]

    async def _seal(self, sealing: Sealing, job: Job) -> Job | None:
        queue_id = job.letter.envelope.queue_id
        try:
            if job.item.deliveries > 1:
                # What was settled before stays as it is, whatever the key is now.
                known = await self._mailboxes.settled([queue_id])
                job = replace(
                    job,
                    deliveries=[
                        replace(each, new=None) if (queue_id, each.recipient) in known else each
                        for each in job.deliveries
                    ],
                )
            sealed = await sealing.seal(job.deliveries, job.item.keep_working)
        except (StoreUnavailable, BlobUnavailable, Unavailable) as error:
            await self._setbacks.postponed("sealing_postponed", queue_id, job.item, error)
            return None
        except BlobShredded:
            # Nobody can read it any more, with or without the reader's key.
            return job
        except BlobMissing as error:
            self._log.error("body_unreadable", queue_id=queue_id, error=str(error))
            await self._setbacks.again_or_poison(job.item, str(error))
            return None
        except Exception as error:
            # Rather put aside than filed in clear.
            self._log.exception("sealing_failed", queue_id=queue_id)
            await self._setbacks.again_or_poison(job.item, str(error))
            return None
        return replace(job, deliveries=sealed.deliveries, unsealable=tuple(sealed.unsealable))

    # -- the commit

    async def _file_together(self, jobs: Sequence[Job]) -> None:
        try:
            if self._distributing is not None:
                jobs = await self._without_lists(self._distributing, jobs)
            if jobs and self._sorting is not None:
                jobs = await self._sorted(self._sorting, jobs)
            await self._seal_and_commit(jobs)
        except StoreUnavailable as error:
            await self._setbacks.batch_postponed(jobs, error)
            await self._setbacks.pause()
        except Exception as error:
            # Of one of them, or of none; alone each has its own fate.
            if len(jobs) > 1:
                for job in jobs:
                    await self._file_together([job])
            else:
                for job in jobs:
                    await self._failed(job.item, job.letter.envelope.queue_id, error)

    async def _seal_and_commit(self, jobs: Sequence[Job]) -> None:
        if self._sealing is not None:
            jobs = await self._sealed(self._sealing, jobs)
        if jobs:
            await self._committing.commit(jobs)


async def _cancelled(tasks: Iterable[asyncio.Task[Screened]]) -> None:
    """None of them runs any more."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
