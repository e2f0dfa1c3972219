"""Which deliveries a message asks for, before scripts and keys have their say."""

from dataclasses import replace
from datetime import UTC, datetime

from blobstore import BlobUnavailable, TenantGone
from directoryclient import Unavailable
from mailstore import Delivery, StoreUnavailable
from servicekit import logs
from spool import Handling, OutcomeUnknown, SpooledLetter, SpoolUnavailable

from mda import metrics
from mda.core.allowing import wants_receipt, without_asking
from mda.core.findings import Disposition, Finding, Verdict
from mda.core.lateness import is_late, is_too_late
from mda.core.marks import marks
from mda.core.plan import INBOX, local_recipients, plan, subaddresses
from mda.core.standing import Lists, Standing
from mda.edge.jobs import Arrived, Job
from mda.edge.screening import Screened
from mda.edge.setbacks import Setbacks
from mda.ports import Choices, Mailboxes, Policies, Receipts, Tenants

LOG = logs.logger("mda.filing")
JUNK = "\\Junk"


class Planning:
    """Of one process."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        policies: Policies,
        choices: Choices | None,
        receipts: Receipts,
        setbacks: Setbacks,
        tenants: Tenants | None = None,
    ) -> None:
        self._tenants = tenants
        self._mailboxes = mailboxes
        self._policies = policies
        self._choices = choices
        self._receipts = receipts
        self._setbacks = setbacks
        self._lists = Lists()

    async def job(self, arrived: Arrived, result: Screened | None) -> Job | None:
        """The deliveries; `result` is None where nobody looked at the message. None: settled here."""
        letter = arrived.letter
        # The door wants it kept apart where its author is not who it says (DMARC), whatever scanners find.
        is_junk = letter.envelope.handling is Handling.QUARANTINE
        findings: tuple[Finding, ...] = ()
        try:
            if self._tenants is not None:
                # Before it is among others' messages: what cannot be filed for this tenant holds up nobody else.
                await self._tenants.is_sealing(letter.envelope.tenant_id)
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
        except TenantGone as error:
            await self._setbacks.tenant_gone(letter.envelope, arrived.item, error)
            return None
        except (StoreUnavailable, BlobUnavailable, Unavailable, SpoolUnavailable, OutcomeUnknown) as error:
            await self._setbacks.postponed("filing_postponed", letter.envelope.queue_id, arrived.item, error)
            return None
        except ValueError as error:
            await self._setbacks.poison(arrived.item, str(error))
            return None
        if is_junk:
            metrics.JUNK.inc(len(job.deliveries))
            LOG.info("message_junked", queue_id=letter.envelope.queue_id)
        if any(each.verdict in (Verdict.UNSCANNED, Verdict.UNSCANNABLE) for each in findings):
            metrics.SCANNER_DOWN.inc()
            LOG.warning("message_filed_unscanned", queue_id=letter.envelope.queue_id)
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
