"""Users' Sieve scripts at delivery: run, send what they ask to send, and say where the message is filed.

A batch costs one look-up of who has an active script; who has none pays nothing more. A tenant's scripts run before
and after its users' own. A script that fails files into INBOX (RFC 5228 §2.10.6). What is sent goes through the one gate before the message is filed, under queue ids that
are made of the message and the action: a process that dies in between sends again what is then known already.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from directoryclient import DirectoryClient, Disposition
from mailmodel import AccountRef
from mailmodel.mailbox_name import MailboxNameInvalid
from mailmsg.facts import examine
from mailproto.smtp.wishes import NO_WISHES, TlsWish, Wishes
from mailstore import ActiveScripts, Delivery, MailboxExists, MailStore, NewMessage
from servicekit import logs
from sieve import Situation
from sieve.actions import Edition, FileInto, Keep, Notify, Outcome, Redirect, Reject, Target, Vacation
from sieve.replies import build_notification, build_refusal, build_vacation
from spool import Letter, Recipient, Source, Spool, SpooledLetter

from mda import metrics
from mda.core.findings import Finding
from mda.core.plan import detailed
from mda.core.sieving import (
    Plan,
    Sending,
    carry_out,
    environment,
    memory_handle,
    sent_queue_id,
    tested,
    was_redirected_by,
    without_prefix,
)
from mda.edge.running import Input, Running

LOG = logs.logger("mda.sorting")
RUNS_AT_ONCE = 8


class Sorting:
    """The scripts of all accounts that this process delivers to."""

    def __init__(
        self,
        hostname: str,
        mailboxes: MailStore,
        running: Running,
        spool: Spool,
        directory: DirectoryClient,
    ) -> None:
        self._hostname = hostname
        self._mailboxes = mailboxes
        self._running = running
        self._spool = spool
        self._directory = directory
        self._room = asyncio.Semaphore(RUNS_AT_ONCE)

    async def active(self, accounts: Sequence[AccountRef]) -> dict[str, ActiveScripts]:
        """For whom scripts run, and their digests. Raises StoreUnavailable."""
        return await self._mailboxes.scripts.active_digests(accounts)

    async def sort(
        self,
        letter: SpooledLetter,
        deliveries: Sequence[Delivery],
        active: dict[str, ActiveScripts],
        findings: Sequence[Finding] = (),
    ) -> list[Delivery]:
        """The deliveries as the scripts want them; what they send is accepted by the gate when this returns.

        Raises StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, directoryclient.Unavailable:
        then nothing is filed yet, and it is to be tried again.
        """
        sorted_: list[Delivery] = []
        for delivery in deliveries:
            scripts = active.get(delivery.account.account_id)
            # What a list settled has nothing to sort; its tenant's scripts are not run for it.
            if scripts is None or delivery.new is None:
                sorted_.append(delivery)
                continue
            async with self._room:
                sorted_ += await self._sort_one(letter, delivery, scripts, findings)
        return sorted_

    async def _sort_one(
        self,
        letter: SpooledLetter,
        delivery: Delivery,
        scripts: ActiveScripts,
        findings: Sequence[Finding],
    ) -> list[Delivery]:
        envelope = letter.envelope
        stages = await self._running.stages(delivery.account, scripts)
        if not stages:
            return [delivery]
        assert delivery.new is not None
        received = await self._running.header(letter)
        header = delivery.new.prefix + received
        spam_percent, spam_text, virus_severity, virus_text = tested(findings)
        situation = Situation(
            reverse_path=envelope.reverse_path,
            # With the detail that it was written with (RFC 5233 §4).
            forward_path=detailed(letter).get(delivery.account.account_id, delivery.recipient),
            own_addresses=frozenset({delivery.recipient}),
            now=datetime.now(UTC),
            environment=environment(delivery.recipient, self._hostname, envelope.client_address),
            spam_percent=spam_percent,
            spam_text=spam_text,
            virus_severity=virus_severity,
            virus_text=virus_text,
        )

        async def body() -> bytes:
            return (await self._running.content(letter))[letter.facts.header_octets :]

        size = len(header) - letter.facts.header_octets + letter.body.length
        outcome = await self._running.run(delivery.account, stages, Input(header, size, body), situation)
        if outcome.error is not None:
            metrics.SCRIPTS.labels("failed").inc()
            LOG.info(
                "script_failed",
                queue_id=envelope.queue_id,
                account_id=delivery.account.account_id,
                reason=str(outcome.error),
            )
        else:
            metrics.SCRIPTS.labels("run").inc()
        targets = await self._targets(delivery.account, outcome)
        plan = carry_out(
            delivery,
            outcome.actions,
            outcome.tracks,
            targets.get,
            is_looping=was_redirected_by(envelope.trace_prefix + received, delivery.recipient),
            editions=await self._editions(letter, delivery, outcome),
        )
        for sending in plan.sendings:
            await self._send(letter, delivery, sending, header)
        await self._track(delivery.account, plan)
        return plan.deliveries

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
        return {target: await self._target(account, target) for target in targets}

    async def _target(self, account: AccountRef, target: Target) -> str | None:
        """RFC 9042 §4, RFC 8579 §4: the id first, then the special use, then the name, then a new mailbox where that is asked for."""
        if target.mailbox_id is not None:
            by_id = await self._running.mailbox_of_id(account, target.mailbox_id)
            if by_id is not None:
                return by_id
        if target.special_use is not None:
            for each in await self._mailboxes.list_mailboxes(account):
                if target.special_use.lower() in {use.lower() for use in each.special_use}:
                    return each.name
        found = await self._running.mailbox(account, target.mailbox)
        if found is not None or not target.create:
            return found
        try:
            return (await self._mailboxes.create_mailbox(account, target.mailbox)).name
        except MailboxExists:
            return await self._running.mailbox(account, target.mailbox)
        except MailboxNameInvalid:
            return None

    # -- what is sent

    async def _send(self, letter: SpooledLetter, delivery: Delivery, sending: Sending, header: bytes) -> None:
        envelope = letter.envelope
        queue_id = sent_queue_id(envelope.queue_id, delivery.recipient, sending)
        message_id, now, owner = f"<{queue_id}@{self._hostname}>", datetime.now(UTC), delivery.recipient
        match sending:
            case Redirect():
                content = await self._running.content(letter)
                if sending.edition is not None:
                    assert delivery.new is not None
                    # Of what we have put before it nothing is sent on.
                    content = without_prefix(await self._edited(letter, sending.edition), delivery.new.prefix)
                # The gate's trace fields go along, and ours: who passed it on stops a loop.
                prefix = f"Delivered-To: {owner}\r\n".encode() + envelope.trace_prefix
                await self._accept(
                    delivery,
                    queue_id,
                    envelope.reverse_path,
                    [sending.address],
                    content,
                    prefix,
                    tls=envelope.wishes.tls,
                    is_binary=envelope.binary,
                )
            case Reject():
                if envelope.reverse_path:
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
                    await self._accept(delivery, queue_id, "", [envelope.reverse_path], content, tls=tls)
            case Vacation():
                handle = memory_handle("vacation", sending.handle, sending.recipient.lower())
                if sending.interval_seconds and not await self._mailboxes.scripts.remember(
                    delivery.account, handle, sending.interval_seconds
                ):
                    return
                content = build_vacation(sending, owner=owner, message_id=message_id, sent_at=now)
                await self._accept(delivery, queue_id, "", [sending.recipient], content)
            case Notify():
                content = build_notification(sending, owner=owner, message_id=message_id, sent_at=now)
                reverse_path = "" if sending.reverse_path_is_null else owner
                await self._accept(
                    delivery, queue_id, reverse_path, [*sending.recipients, *sending.copies], content
                )

    async def _accept(
        self,
        delivery: Delivery,
        queue_id: str,
        reverse_path: str,
        addresses: Sequence[str],
        content: bytes,
        prefix: bytes = b"",
        *,
        tls: TlsWish = TlsWish.USUAL,
        is_binary: bool = False,
    ) -> None:
        """`tls` is the wish of who sent what this comes from (RFC 8689 §6)."""
        recipients: list[Recipient] = []
        tenant_id = delivery.account.tenant_id
        resolutions = await self._directory.resolve(list(addresses))
        for address, resolution in zip(addresses, resolutions, strict=True):
            if resolution.disposition is Disposition.REMOTE:
                recipients.append(Recipient(address, address, tenant_id, None))
            else:
                recipients += [
                    Recipient(target.address, address, target.tenant_id, target.account_id)
                    for target in resolution.targets
                ]
        if not recipients:
            LOG.info("script_mail_dropped", queue_id=queue_id, account_id=delivery.account.account_id)
            return
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path=reverse_path,
                recipients=tuple(recipients),
                content=content,
                trace_prefix=prefix,
                source=Source.SIEVE,
                arrived_at=datetime.now(UTC),
                sender_account_id=delivery.account.account_id,
                smtputf8=not (reverse_path + "".join(each.address for each in recipients)).isascii(),
                eight_bit=is_binary or not content.isascii(),
                binary=is_binary,
                wishes=NO_WISHES if tls is TlsWish.USUAL else Wishes(tls=tls),
            )
        )
        metrics.SCRIPT_MAIL.inc()
        LOG.info("script_mail_sent", queue_id=queue_id, account_id=delivery.account.account_id)

    async def _track(self, account: AccountRef, plan: Plan) -> None:
        for track in plan.tracks:
            handle = memory_handle("seen", track.handle, track.unique_id)
            if track.extends:
                await self._mailboxes.scripts.prolong(account, handle, track.seconds)
            else:
                await self._mailboxes.scripts.remember(account, handle, track.seconds)
