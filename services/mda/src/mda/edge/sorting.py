"""Users' Sieve scripts at delivery: run, send what they ask to send, and say where the message is filed.

A batch costs one look-up of who has an active script; who has none pays nothing more. A tenant's scripts run before
and after its users' own; what an account wishes without a script (`wishing.py`) comes last. A script that fails files into INBOX (RFC 5228 §2.10.6). What is sent goes through the one gate before the message is filed, under queue ids that
are made of the message and the action: a process that dies in between sends again what is then known already.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from blobstore import BlobUnavailable
from directoryclient import Unavailable
from mailmodel import AccountRef
from mailmsg.facts import examine
from mailstore import ActiveScripts, Delivery, MailStore, NewMessage, StoreUnavailable
from mailstore.scripts import NO_SCRIPTS
from servicekit import logs
from sieve import Situation
from sieve.actions import (
    Edition,
    FileInto,
    Keep,
    Notify,
    Outcome,
    Redirect,
    RedirectToList,
    Reject,
    Target,
    Vacation,
)
from sieve.actions import Refusal as HowRefused
from sieve.replies import build_notification, build_refusal, build_vacation
from spool import OutcomeUnknown, SpooledLetter, SpoolUnavailable

from mda import metrics
from mda.core.findings import Finding
from mda.core.plan import detailed
from mda.core.sent_on import of_nobody
from mda.core.sieving import (
    MOST_HOPS,
    Lists,
    Plan,
    Sending,
    carry_out,
    environment,
    hops,
    memory_handle,
    sent_queue_id,
    tested,
    was_redirected_by,
    without_prefix,
)
from mda.core.told import Refusal, rejected
from mda.core.wishes import NOTHING_SAID
from mda.edge.failures import Failures
from mda.edge.outgoing import Outgoing
from mda.edge.placing import Placing
from mda.edge.receipts import Receipts
from mda.edge.running import Input, Running
from mda.edge.wishing import Wishing

LOG = logs.logger("mda.sorting")
RUNS_AT_ONCE = 8
# Then it is to be tried again.
AWAY = (StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, Unavailable)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Where a message is filed; and for whom a script refused it, which is not settled yet."""

    deliveries: list[Delivery] = field(default_factory=list)
    rejected: list[tuple[Delivery, Refusal]] = field(default_factory=list)


class Sorting:
    """The scripts of all accounts that this process delivers to."""

    def __init__(
        self,
        mailboxes: MailStore,
        running: Running,
        outgoing: Outgoing,
        placing: Placing,
        receipts: Receipts,
        wishing: Wishing | None = None,
    ) -> None:
        self._wishing = wishing
        self._receipts = receipts
        self._hostname = outgoing.hostname
        self._mailboxes = mailboxes
        self._running = running
        self._outgoing = outgoing
        self._failures = Failures(mailboxes, outgoing)
        self._placing = placing
        self._room = asyncio.Semaphore(RUNS_AT_ONCE)

    async def active(self, accounts: Sequence[AccountRef]) -> dict[str, ActiveScripts]:
        """For whom scripts run, and their digests; none for who only wishes something. Raises StoreUnavailable."""
        found = await self._mailboxes.scripts.active_digests(accounts)
        if self._wishing is not None:
            others = [account for account in accounts if account.account_id not in found]
            for account in await self._wishing.may_be(others, datetime.now(UTC)):
                found[account.account_id] = NO_SCRIPTS
        return found

    async def sort(
        self,
        letter: SpooledLetter,
        deliveries: Sequence[Delivery],
        active: dict[str, ActiveScripts],
        findings: Sequence[Finding] = (),
        *,
        is_junk: bool = False,
    ) -> Sorted:
        """The deliveries as the scripts want them; what they send is accepted by the gate when this returns.

        Raises StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, directoryclient.Unavailable:
        then nothing is filed yet, and it is to be tried again.
        """
        sorted_ = Sorted()
        for delivery in deliveries:
            scripts = active.get(delivery.account.account_id)
            # What a list settled has nothing to sort; its tenant's scripts are not run for it.
            if scripts is None or delivery.new is None:
                sorted_.deliveries.append(delivery)
                continue
            async with self._room:
                plan = await self._sorted_one(letter, delivery, scripts, findings, is_junk)
            if plan is None:
                sorted_.deliveries.append(delivery)
                continue
            refusals = [rejected(each.reason) for each in plan.sendings if isinstance(each, Reject)]
            # Another's script may have filed it all the same.
            sorted_.deliveries.extend(
                replace(each, refused=refusals[0].status) if refusals else each
                for each in plan.deliveries
                if each.new is not None or not refusals
            )
            sorted_.rejected.extend((delivery, refusal) for refusal in refusals)
        return sorted_

    async def _sorted_one(
        self,
        letter: SpooledLetter,
        delivery: Delivery,
        scripts: ActiveScripts,
        findings: Sequence[Finding],
        is_junk: bool,
    ) -> Plan | None:
        """A bug of ours that one recipient's script finds keeps nobody's mail, and nobody else's script from running."""
        try:
            return await self._sort_one(letter, delivery, scripts, findings, is_junk)
        except AWAY:
            raise
        except Exception:
            LOG.exception(
                "sorting_failed",
                queue_id=letter.envelope.queue_id,
                account_id=delivery.account.account_id,
            )
            return None

    async def _sort_one(
        self,
        letter: SpooledLetter,
        delivery: Delivery,
        scripts: ActiveScripts,
        findings: Sequence[Finding],
        is_junk: bool,
    ) -> Plan | None:
        """What is done with it; None: nobody says anything."""
        envelope = letter.envelope
        stages, now, wishes = (
            await self._running.stages(delivery.account, scripts),
            datetime.now(UTC),
            None,
        )
        if self._wishing is not None and not is_junk:
            wishes = await self._wishing.of(delivery.account, now)
        if not stages and wishes is None:
            return None
        assert delivery.new is not None
        received = await self._running.header(letter)
        header = delivery.new.prefix + received
        spam_percent, spam_text, virus_severity, virus_text = tested(findings)
        situation = Situation(
            reverse_path=envelope.reverse_path,
            # With the detail that it was written with (RFC 5233 §4).
            forward_path=detailed(letter).get(delivery.account.account_id, delivery.recipient),
            own_addresses=frozenset({delivery.recipient}),
            now=now,
            environment=environment(
                delivery.recipient, self._hostname, envelope.source, envelope.client_address
            ),
            spam_percent=spam_percent,
            spam_text=spam_text,
            virus_severity=virus_severity,
            virus_text=virus_text,
        )

        async def body() -> bytes:
            return (await self._running.content(letter))[letter.facts.header_octets :]

        size = len(header) - letter.facts.header_octets + letter.body.length
        message = Input(header, size, body, f"{envelope.queue_id} {delivery.recipient}")
        outcome = NOTHING_SAID
        if stages:
            outcome = await self._running.run(delivery.account, stages, message, situation)
        if self._wishing is not None and wishes is not None:
            outcome = await self._wishing.added(delivery.account, wishes, outcome, message, situation)
        if outcome.error is not None:
            metrics.SCRIPTS.labels("failed").inc()
            LOG.info(
                "script_failed",
                queue_id=envelope.queue_id,
                account_id=delivery.account.account_id,
                reason=str(outcome.error),
            )
            await self._failures.tell(delivery.account, delivery.recipient, outcome.error, received)
        elif stages:
            metrics.SCRIPTS.labels("run").inc()
        targets = await self._targets(delivery.account, outcome)
        sent_on = hops(envelope.trace_prefix)
        lists = {
            # A hundred copies of each of a hundred are too many: what others sent on stays here.
            action.list_name: ()
            if sent_on
            else await self._running.lists.addresses(delivery.account, delivery.recipient, action.list_name)
            for action in outcome.actions
            if isinstance(action, RedirectToList)
        }
        plan = carry_out(
            delivery,
            outcome.actions,
            outcome.tracks,
            targets.get,
            is_looping=sent_on >= MOST_HOPS
            or was_redirected_by(envelope.trace_prefix + received, delivery.recipient),
            editions=await self._editions(letter, delivery, outcome),
            lists=lists,
        )
        if plan.tracks or any(isinstance(each, Vacation) for each in plan.sendings):
            # Of who has had no mail yet there is nothing in the store that could remember.
            await self._mailboxes.provision(delivery.account)
        for sending in plan.sendings:
            await self._send(letter, delivery, sending, header, lists)
        await self._track(delivery.account, plan, message.name)
        return plan

    async def _editions(
        self, letter: SpooledLetter, delivery: Delivery, outcome: Outcome
    ) -> dict[Edition, NewMessage]:
        """What scripts have changed is another message, with a body of its own in the store."""
        assert delivery.new is not None
        made: dict[Edition, NewMessage] = {}
        for action in outcome.actions:
            edition = action.edition if isinstance(action, Keep | FileInto) else None
            if edition is None or edition in made:
                continue
            content = await self._edited(letter, edition)
            made[edition] = replace(
                delivery.new,
                prefix=b"",
                body=await self._mailboxes.put_body(delivery.account, content),
                facts=await asyncio.to_thread(examine, content),
            )
        return made

    async def _edited(self, letter: SpooledLetter, edition: Edition) -> bytes:
        if edition.body is not None:
            return edition.header + edition.body
        return edition.header + (await self._running.content(letter))[letter.facts.header_octets :]

    async def _targets(self, account: AccountRef, outcome: Outcome) -> dict[Target, str | None]:
        targets = dict.fromkeys(action.target for action in outcome.actions if hasattr(action, "target"))
        return {target: await self._placing.name_of(account, target) for target in targets}

    # -- what is sent

    async def _send(
        self, letter: SpooledLetter, delivery: Delivery, sending: Sending, header: bytes, lists: Lists
    ) -> None:
        envelope, account, accept = letter.envelope, delivery.account, self._outgoing.accept
        queue_id = sent_queue_id(envelope.queue_id, delivery.recipient, sending)
        message_id, now, owner = f"<{queue_id}@{self._hostname}>", datetime.now(UTC), delivery.recipient
        match sending:
            case Redirect() | RedirectToList():
                speaker = envelope.speaker
                content = await self._running.content(letter)
                if sending.edition is not None:
                    assert delivery.new is not None
                    # Of what we have put before it nothing is sent on.
                    content = without_prefix(await self._edited(letter, sending.edition), delivery.new.prefix)
                    speaker = of_nobody(envelope.reverse_path, speaker)
                # The gate's trace fields go along, and ours: who passed it on stops a loop.
                prefix = f"Delivered-To: {owner}\r\n".encode() + envelope.trace_prefix
                await accept(
                    account,
                    queue_id,
                    envelope.reverse_path,
                    [sending.address] if isinstance(sending, Redirect) else lists[sending.list_name],
                    content,
                    prefix,
                    tls=envelope.wishes.tls,
                    is_binary=envelope.binary,
                    speaker=speaker,
                )
            case Reject() if not envelope.may_answer_sender:
                LOG.info("refusal_not_told", queue_id=envelope.queue_id, account_id=account.account_id)
            case Reject(refusal=HowRefused.EREJECT):
                await self._receipts.refuse(letter, {owner: rejected(sending.reason)})
            case Reject():
                content = build_refusal(
                    sending,
                    owner=owner,
                    reverse_path=envelope.reverse_path,
                    header=header,
                    reporting_host=self._hostname,
                    message_id=message_id,
                    sent_at=now,
                )
                tls = envelope.wishes.tls
                await accept(account, queue_id, "", [envelope.reverse_path], content, tls=tls)
            case Vacation():
                if not envelope.may_answer_sender:
                    return
                handle = memory_handle("vacation", sending.handle, sending.recipient.lower())
                if sending.interval_seconds and not await self._mailboxes.scripts.remember(
                    account, handle, sending.interval_seconds
                ):
                    return
                content = build_vacation(sending, owner=owner, message_id=message_id, sent_at=now)
                try:
                    await accept(account, queue_id, "", [sending.recipient], content)
                except (SpoolUnavailable, OutcomeUnknown, Unavailable):
                    # It is tried again, and not taken for answered then.
                    await self._mailboxes.scripts.prolong(account, handle, 0)
                    raise
                await self._file_copy(account, owner, queue_id, sending, content, now)
            case Notify():
                content = build_notification(sending, owner=owner, message_id=message_id, sent_at=now)
                reverse_path = "" if sending.reverse_path_is_null else owner
                await accept(account, queue_id, reverse_path, [*sending.recipients, *sending.copies], content)
                await self._file_copy(account, owner, queue_id, sending, content, now)

    async def _file_copy(
        self,
        account: AccountRef,
        owner: str,
        queue_id: str,
        sending: Vacation | Notify,
        content: bytes,
        at: datetime,
    ) -> None:
        """Of what was sent (RFC 8580)."""
        if sending.file_copy is not None:
            await self._placing.file_copy(account, owner, queue_id, sending.file_copy, content, at)

    async def _track(self, account: AccountRef, plan: Plan, message: str) -> None:
        """It is not filed yet: who noted an id first is noted before the id, so that it is no duplicate of itself when
        it comes again (RFC 7352 §3)."""
        scripts = self._mailboxes.scripts
        for track in plan.tracks:
            handle = memory_handle("seen", track.handle, track.unique_id)
            first = memory_handle("seen first", track.handle, track.unique_id, message)
            if not await scripts.remembers(account, handle) or await scripts.remembers(account, first):
                await scripts.prolong(account, first, track.seconds)
            if track.extends:
                await scripts.prolong(account, handle, track.seconds)
            else:
                await scripts.remember(account, handle, track.seconds)
