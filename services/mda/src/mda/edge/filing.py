"""The filing loop: fetch what has come, file it in one transaction, then acknowledge.

The acknowledgement comes after the commit, so a crash between the two brings the
message again, and the store finds (queue id, recipient) filed already. When a
batch fails by itself (not because PostgreSQL is away), its messages are tried one
by one, so that one bad message does not hold up its neighbours; what fails alone
`poison_tries` times is put aside, counted and logged.

Where there are scanners, a batch is screened before its commit, several messages
at once. What takes longer than `hold_seconds` holds nobody up: the others are
filed meanwhile.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import assert_never

from blobstore import BlobMissing, BlobShredded, BlobUnavailable
from directoryclient import Unavailable
from mailstore import ActiveScripts, Delivery, Outcome, StoreUnavailable
from servicekit import logs
from spool import Handling, Malformed, OutcomeUnknown, SpooledLetter, SpoolUnavailable, decode

from mda import metrics
from mda.core.allowing import wants_receipt, without_asking
from mda.core.findings import Disposition, Finding, Verdict
from mda.core.lateness import TOO_LATE, is_late, is_too_late
from mda.core.lists import MailingList
from mda.core.marks import marks
from mda.core.plan import INBOX, local_recipients, over_quota, plan, subaddresses
from mda.core.returned import came_back
from mda.core.standing import Lists, Standing
from mda.core.told import KEY_UNUSABLE, OVER_QUOTA
from mda.edge.distributing import Distributing
from mda.edge.fullness import Fullness
from mda.edge.reporting import Reporting
from mda.edge.screening import Screened, Screening
from mda.edge.sealing import Sealing
from mda.edge.sorting import Sorting
from mda.ports import NOBODY_CHOSE, Choices, Item, Mailboxes, Policies, Quarantine, Receipts, Source

FETCH_SECONDS = 1.0
# Messages to mailing lists that are worked on beside the batches.
LISTS_AT_ONCE = 4
JUNK = "\\Junk"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message as it came."""

    item: Item
    letter: SpooledLetter


@dataclass(frozen=True, slots=True)
class Job:
    """One message and the deliveries it asks for."""

    item: Item
    letter: SpooledLetter
    deliveries: list[Delivery]
    findings: tuple[Finding, ...] = ()
    is_junk: bool = False
    # Their readers' keys cannot be used.
    unsealable: tuple[Delivery, ...] = ()
    # Their sender does not want them delivered any more.
    late: tuple[Delivery, ...] = ()


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
    ) -> None:
        self._reporting = reporting
        self._distributing = distributing
        self._apart: set[asyncio.Task[None]] = set()
        self._choices = choices
        self._returned = returned
        self._source = source
        self._mailboxes = mailboxes
        self._quarantine = quarantine
        self._screening = screening
        self._sorting = sorting
        self._sealing = sealing
        self._fullness = fullness
        self._policies = policies
        self._lists = Lists()
        self._receipts = receipts
        self._draining = draining
        self._batch_messages = batch_messages
        self._retry_seconds = retry_seconds
        self._poison_tries = poison_tries
        self._hold_seconds = hold_seconds
        self._fetching = asyncio.Lock()
        self._log = logs.logger("mda.filing")

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            async with self._fetching:
                items = await self._source.fetch(self._batch_messages, FETCH_SECONDS)
            if items:
                await self._file(items)
        # What is not done comes again, and its pages that were sent are known.
        for task in list(self._apart):
            task.cancel()
        await asyncio.gather(*self._apart, return_exceptions=True)

    async def _file(self, items: Sequence[Item]) -> None:
        arrived = []
        for item in items:
            try:
                arrived.append(Arrived(item, decode(item.payload)))
            except Malformed as error:
                await self._poison(item, str(error))
        if self._screening is None:
            metrics.WITHOUT_SCANNER.inc(len(arrived))
            await self._file_as_they_are(arrived)
        else:
            await self._screen(self._screening, arrived)

    async def _file_as_they_are(self, arrived: Sequence[Arrived]) -> None:
        jobs = [job for each in arrived if (job := await self._job(each, None)) is not None]
        if jobs:
            await self._file_together(jobs)

    # -- with scanners

    async def _screen(self, screening: Screening, arrived: Sequence[Arrived]) -> None:
        waits = 0
        async with asyncio.TaskGroup() as group:
            waiting = {group.create_task(screening.screen(each.letter)): each for each in arrived}
            while waiting:
                # They may have lain here for a while before they were fetched.
                for each in waiting.values():
                    await each.item.keep_working()
                await asyncio.wait(waiting, timeout=self._hold_seconds)
                done = [task for task in waiting if task.done()]
                waits += sum(task.result().disposition is Disposition.WAIT for task in done)
                await self._settle([(waiting.pop(task), task.result()) for task in done])
        if screening.is_down and waits == len(arrived):
            await asyncio.sleep(self._retry_seconds)

    async def _settle(self, screened: Sequence[tuple[Arrived, Screened]]) -> None:
        jobs = []
        for arrived, result in screened:
            try:
                job = await self._settle_one(arrived, result)
            except Exception as error:
                self._log.exception("settling_failed", queue_id=arrived.letter.envelope.queue_id)
                await self._try_again_or_poison(arrived.item, str(error))
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
                return await self._job(arrived, result)
            case Disposition.QUARANTINE:
                await self._hold(arrived, result)
            case Disposition.WAIT:
                metrics.AWAITING_SCAN.inc()
                self._log.debug("scan_awaited", queue_id=queue_id, reason=result.problem)
                await arrived.item.retry_later(self._retry_seconds)
            case Disposition.UNREADABLE:
                self._log.error("body_unreadable", queue_id=queue_id, error=result.problem)
                await self._try_again_or_poison(arrived.item, result.problem)
            case _:
                assert_never(result.disposition)
        return None

    async def _job(self, arrived: Arrived, result: Screened | None) -> Job | None:
        """The deliveries; `result` is None where nobody looked at the message. None: settled here."""
        letter = arrived.letter
        # The door wants it kept apart where its author is not who it says (DMARC), whatever scanners find.
        is_junk = letter.envelope.handling is Handling.QUARANTINE
        findings: tuple[Finding, ...] = ()
        try:
            if result is None:
                standing = await self._standing(letter)
                is_junk = is_junk or standing is Standing.BLOCKED
            else:
                is_junk = is_junk or result.disposition is Disposition.JUNK
                findings, standing = result.findings, result.standing
            header = marks(findings, standing)
            mailboxes = await self._junk(letter) if is_junk else await self._folders(letter)
            deliveries = await self._without_asking(letter, plan(letter, header, mailboxes))
            job = await self._in_time(Job(arrived.item, letter, deliveries, findings, is_junk))
        except (StoreUnavailable, Unavailable, SpoolUnavailable, OutcomeUnknown) as error:
            metrics.POSTPONED.inc()
            self._log.warning("filing_postponed", messages=1, error=str(error))
            await arrived.item.retry_later(self._retry_seconds)
            return None
        except ValueError as error:
            await self._poison(arrived.item, str(error))
            return None
        if is_junk:
            metrics.JUNK.inc(len(job.deliveries))
            self._log.info("message_junked", queue_id=letter.envelope.queue_id)
        if any(each.verdict in (Verdict.UNSCANNED, Verdict.UNSCANNABLE) for each in findings):
            metrics.SCANNER_DOWN.inc()
            self._log.warning("message_filed_unscanned", queue_id=letter.envelope.queue_id)
        return job

    async def _in_time(self, job: Job) -> Job:
        """What its sender wants by a time (RFC 2852) is not filed after it, or its sender is told. Raises as `Receipts` does."""
        envelope, now = job.letter.envelope, datetime.now(UTC)
        if is_late(envelope, now):
            await self._receipts.tell_late(job.letter)
        if not is_too_late(envelope, now):
            return job
        # What was filed in time stays so.
        known = await self._mailboxes.settled([envelope.queue_id]) if job.item.deliveries > 1 else set()
        late = tuple(each for each in job.deliveries if (envelope.queue_id, each.recipient) not in known)
        return replace(job, deliveries=[each for each in job.deliveries if each not in late], late=late)

    async def _without_asking(self, letter: SpooledLetter, deliveries: list[Delivery]) -> list[Delivery]:
        """Where a return receipt is asked for: what its readers chose is heeded. Raises Unavailable."""
        if self._choices is None or not wants_receipt(letter):
            return deliveries
        accounts = {each.account.account_id for each in deliveries}
        return without_asking(deliveries, {each: await self._choices.of_account(each) for each in accounts})

    async def _standing(self, letter: SpooledLetter) -> Standing:
        """Of a sender of whom no scanner knows. Raises Unavailable."""
        return self._lists.standing(letter, await self._policies.of(letter.envelope.tenant_id))

    async def _folders(self, letter: SpooledLetter) -> dict[str, str]:
        """The mailbox that a subaddress names, where the tenant wants that and it exists, by account.

        Raises Unavailable, StoreUnavailable.
        """
        details = subaddresses(letter)
        if not details or not (await self._policies.of(letter.envelope.tenant_id)).subaddress_folders:
            return {}
        found = {}
        for account, _ in local_recipients(letter):
            wanted = details.get(account.account_id)
            if wanted is None:
                continue
            names = [mailbox.name for mailbox in await self._mailboxes.list_mailboxes(account)]
            # Senders do not know how its owner writes it.
            same = sorted((name != wanted, name) for name in names if name.lower() == wanted.lower())
            if same:
                found[account.account_id] = same[0][1]
        return found

    async def _junk(self, letter: SpooledLetter) -> dict[str, str]:
        """The Junk mailbox of each account, by its special use, whatever its owner calls it (RFC 6154)."""
        found = {}
        for account, _ in local_recipients(letter):
            for mailbox in await self._mailboxes.list_mailboxes(account):
                if JUNK in mailbox.special_use:
                    found[account.account_id] = mailbox.name
                    break
            else:
                found[account.account_id] = INBOX
        return found

    async def _hold(self, arrived: Arrived, result: Screened) -> None:
        envelope = arrived.letter.envelope
        try:
            await self._quarantine.hold(arrived.letter, result.content, result.findings)
        except BlobUnavailable as error:
            self._log.warning("quarantine_postponed", queue_id=envelope.queue_id, error=str(error))
            await arrived.item.retry_later(self._retry_seconds)
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

    async def _try_again_or_poison(self, item: Item, reason: str) -> None:
        if item.deliveries >= self._poison_tries:
            await self._poison(item, reason)
        else:
            await item.retry_later(self._retry_seconds)

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
            return replace(
                job,
                deliveries=await sorting.sort(
                    job.letter, job.deliveries, active, job.findings, is_junk=job.is_junk
                ),
            )
        except (StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, Unavailable) as error:
            metrics.POSTPONED.inc()
            self._log.warning("sorting_postponed", queue_id=queue_id, error=str(error))
            await job.item.retry_later(self._retry_seconds)
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
            metrics.POSTPONED.inc(len(jobs))
            self._log.warning("filing_postponed", messages=len(jobs), error=str(error))
            for job in jobs:
                await job.item.retry_later(self._retry_seconds)
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
                await job.item.retry_later(self._retry_seconds)
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
            metrics.POSTPONED.inc()
            self._log.warning("list_postponed", queue_id=queue_id, error=str(error))
            await job.item.retry_later(self._retry_seconds)
        except Exception as error:
            self._log.exception("list_failed", queue_id=queue_id)
            await self._try_again_or_poison(job.item, str(error))

    # -- users' keys

    async def _sealed(self, sealing: Sealing, jobs: Sequence[Job]) -> list[Job]:
        """The jobs as they are to be stored; those that cannot be encrypted now come again."""
        done = await asyncio.gather(*(self._seal(sealing, job) for job in jobs))
        return [job for job in done if job is not None]

    async def _seal(self, sealing: Sealing, job: Job) -> Job | None:
        queue_id = job.letter.envelope.queue_id
        try:
            sealed = await sealing.seal(job.deliveries, job.item.keep_working)
        except (StoreUnavailable, BlobUnavailable, Unavailable) as error:
            metrics.POSTPONED.inc()
            self._log.warning("sealing_postponed", queue_id=queue_id, error=str(error))
            await job.item.retry_later(self._retry_seconds)
            return None
        except BlobShredded:
            # Nobody can read it any more, with or without the reader's key.
            return job
        except BlobMissing as error:
            self._log.error("body_unreadable", queue_id=queue_id, error=str(error))
            await self._try_again_or_poison(job.item, str(error))
            return None
        except Exception as error:
            # Rather put aside than filed in clear.
            self._log.exception("sealing_failed", queue_id=queue_id)
            await self._try_again_or_poison(job.item, str(error))
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
            await self._postpone(jobs, error)

    async def _seal_and_commit(self, jobs: Sequence[Job]) -> None:
        if self._sealing is not None:
            jobs = await self._sealed(self._sealing, jobs)
        if jobs:
            await self._commit_or_split(jobs)

    async def _postpone(self, jobs: Sequence[Job], error: Exception) -> None:
        metrics.POSTPONED.inc(len(jobs))
        self._log.warning("filing_postponed", messages=len(jobs), error=str(error))
        for job in jobs:
            await job.item.retry_later(self._retry_seconds)
        await asyncio.sleep(self._retry_seconds)

    async def _commit_or_split(self, jobs: Sequence[Job]) -> None:
        try:
            await self._commit(jobs)
        except StoreUnavailable as error:
            await self._postpone(jobs, error)
        except Exception as error:
            if len(jobs) > 1:
                self._log.warning("batch_failed", messages=len(jobs), error=str(error))
                for job in jobs:
                    await self._commit_or_split([job])
            elif jobs[0].item.deliveries >= self._poison_tries:
                await self._poison(jobs[0].item, str(error))
            else:
                self._log.exception("filing_failed", queue_id=jobs[0].letter.envelope.queue_id)
                await jobs[0].item.retry_later(self._retry_seconds)

    async def _commit(self, jobs: Sequence[Job]) -> None:
        started = time.perf_counter()
        deliveries = [delivery for job in jobs for delivery in job.deliveries]
        outcomes = await self._mailboxes.deliver(deliveries) if deliveries else []
        if self._fullness is not None:
            self._fullness.filed(deliveries)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.BATCH.observe(len(jobs))
        metrics.FILED.inc(outcomes.count(Outcome.FILED))
        metrics.REPEATED.inc(outcomes.count(Outcome.REPEATED))
        now = datetime.now(UTC)
        place = 0
        for job in jobs:
            envelope = job.letter.envelope
            mine = outcomes[place : place + len(job.deliveries)]
            refused = over_quota(job.deliveries, mine)
            place += len(job.deliveries)
            if self._reporting is not None:
                self._reporting.filed(envelope, job.deliveries, mine)
            try:
                if refused or job.unsealable or job.late:
                    await self._bounce(job, refused)
                else:
                    await self._receipts.tell(job.letter)
            except (Unavailable, SpoolUnavailable, OutcomeUnknown, StoreUnavailable) as error:
                # It is filed, and comes again for the receipt only.
                self._log.warning("receipt_postponed", queue_id=envelope.queue_id, error=str(error))
                await job.item.retry_later(self._retry_seconds)
                continue
            await job.item.acknowledge()
            if came_back(job.letter):
                self._returned(job.item.payload)
            metrics.WAITED_SECONDS.observe(max(0.0, (now - envelope.arrived_at).total_seconds()))
            self._log.debug("message_filed", queue_id=envelope.queue_id, recipients=len(job.deliveries))

    async def _bounce(self, job: Job, refused: Sequence[Delivery]) -> None:
        """Tell the sender, then count these deliveries as settled."""
        refusals = {each.recipient: KEY_UNUSABLE for each in job.unsealable}
        refusals |= {each.recipient: TOO_LATE for each in job.late}
        if refused:
            refusals |= {each.recipient: OVER_QUOTA for each in refused}
            metrics.OVER_QUOTA.inc(len(refused))
            self._log.info(
                "delivery_over_quota",
                queue_id=job.letter.envelope.queue_id,
                account_ids=[each.account.account_id for each in refused],
            )
        await self._receipts.tell(job.letter, refusals)
        if self._reporting is not None:
            self._reporting.refused(job.letter.envelope, refusals)
        settled = (*refused, *job.unsealable, *job.late)
        await self._mailboxes.deliver([replace(each, new=None) for each in settled])

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
