"""Users' Sieve scripts at delivery: run, send what they ask to send, and say where the message is filed.

A batch costs one look-up of who has an active script; who has none pays nothing more. A script that fails files into
INBOX (RFC 5228 §2.10.6). What is sent goes through the one gate before the message is filed, under queue ids that
are made of the message and the action: a process that dies in between sends again what is then known already.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime

from blobstore import BlobStore
from directoryclient import DirectoryClient, Disposition
from mailmodel import AccountRef
from mailmodel.mailbox_name import MailboxNameInvalid
from mailstore import Delivery, MailboxExists, MailStore, ScriptMissing
from servicekit import logs
from sieve import Notebook, Program, Received, ScriptError, Situation, Unanswered, compile_script, run
from sieve.actions import Keep, Notify, Outcome, Redirect, Reject, Target, Vacation
from sieve.errors import Place
from sieve.offered import OFFERED
from sieve.replies import build_notification, build_refusal, build_vacation
from sieve.scripts import Location, ScriptNamed
from sieve.world import BodyWanted, Metadata, Question, SeenBefore, SpecialUseExists
from sieve.world import MailboxExists as MailboxExistsQuestion
from spool import Letter, Recipient, Source, Spool, SpooledLetter

from mda import metrics
from mda.core.sieving import (
    Plan,
    Sending,
    carry_out,
    memory_handle,
    sent_queue_id,
    was_redirected_by,
)

LOG = logs.logger("mda.sorting")
PROGRAMS_KEPT = 500
RUNS_AT_ONCE = 8
# A run begins again with each answer: so many mailboxes, scripts and ids may one script ask for.
MOST_QUESTIONS = 100


class Sorting:
    """The scripts of all accounts that this process delivers to."""

    def __init__(
        self, hostname: str, mailboxes: MailStore, blobs: BlobStore, spool: Spool, directory: DirectoryClient
    ) -> None:
        self._hostname = hostname
        self._mailboxes = mailboxes
        self._blobs = blobs
        self._spool = spool
        self._directory = directory
        self._programs: OrderedDict[bytes, Program | ScriptError] = OrderedDict()
        self._room = asyncio.Semaphore(RUNS_AT_ONCE)

    async def active(self, account_ids: Sequence[str]) -> dict[str, bytes]:
        """Who has an active script, and its digest. Raises StoreUnavailable."""
        return await self._mailboxes.scripts.active_digests(account_ids)

    async def sort(
        self, letter: SpooledLetter, deliveries: Sequence[Delivery], active: dict[str, bytes]
    ) -> list[Delivery]:
        """The deliveries as the scripts want them; what they send is accepted by the gate when this returns.

        Raises StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, directoryclient.Unavailable:
        then nothing is filed yet, and it is to be tried again.
        """
        sorted_: list[Delivery] = []
        for delivery in deliveries:
            digest = active.get(delivery.account.account_id)
            if digest is None:
                sorted_.append(delivery)
                continue
            async with self._room:
                sorted_ += await self._sort_one(letter, delivery, digest)
        return sorted_

    async def _sort_one(self, letter: SpooledLetter, delivery: Delivery, digest: bytes) -> list[Delivery]:
        envelope = letter.envelope
        program = await self._program(delivery.account, digest)
        if program is None:
            return [delivery]
        assert delivery.new is not None
        received = await self._header(letter)
        header = delivery.new.prefix + received
        situation = Situation(
            reverse_path=envelope.reverse_path,
            forward_path=delivery.recipient,
            now=datetime.now(UTC),
            environment={
                "domain": delivery.recipient.rpartition("@")[2],
                "host": self._hostname,
                "location": "MDA",
                "name": "Posthouse",
                "phase": "during",
                "remote-ip": envelope.client_address,
                "version": "1",
            },
        )
        outcome = await self._run(letter, delivery, program, header, situation)
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
        )
        for sending in plan.sendings:
            await self._send(letter, delivery, sending, header)
        await self._track(delivery.account, plan)
        return plan.deliveries

    async def _program(self, account: AccountRef, digest: bytes) -> Program | None:
        """The active script, compiled; None where it cannot be run any more: then everything is kept."""
        known = self._programs.get(digest)
        if known is None:
            content = await self._mailboxes.scripts.active(account)
            if content is None:
                return None
            known = await _compiled(content)
            self._programs[digest] = known
            if len(self._programs) > PROGRAMS_KEPT:
                self._programs.popitem(last=False)
        else:
            self._programs.move_to_end(digest)
        if isinstance(known, ScriptError):
            metrics.SCRIPTS.labels("broken").inc()
            LOG.info("script_broken", account_id=account.account_id, reason=str(known))
            return None
        return known

    async def _header(self, letter: SpooledLetter) -> bytes:
        if letter.facts.header:
            return letter.facts.header
        body = letter.body
        return await self._blobs.get_range(
            body.object_key, body.offset, min(body.length, letter.facts.header_octets)
        )

    async def _content(self, letter: SpooledLetter) -> bytes:
        body = letter.body
        return await self._blobs.get_range(body.object_key, body.offset, body.length)

    async def _run(
        self, letter: SpooledLetter, delivery: Delivery, program: Program, header: bytes, situation: Situation
    ) -> Outcome:
        notebook, body = Notebook(), None
        size = len(header) - letter.facts.header_octets + letter.body.length
        for _ in range(MOST_QUESTIONS):
            try:
                return await asyncio.to_thread(
                    run, program, Received(header, body, size), situation, notebook
                )
            except Unanswered as open_question:
                question = open_question.question
                if isinstance(question, BodyWanted):
                    body = (await self._content(letter))[letter.facts.header_octets :]
                else:
                    await self._answer(delivery.account, question, notebook)
        LOG.info("script_asked_too_much", account_id=delivery.account.account_id)
        return Outcome((Keep(Place(0)),), (), (), None, 0)

    async def _answer(self, account: AccountRef, question: Question, notebook: Notebook) -> None:
        match question:
            case MailboxExistsQuestion(name):
                notebook.yes_or_no[question] = await self._mailbox(account, name) is not None
            case SpecialUseExists(mailbox, attribute):
                found = await self._mailboxes.list_mailboxes(account)
                notebook.yes_or_no[question] = any(
                    attribute.lower() in {use.lower() for use in each.special_use}
                    and mailbox in (None, each.name)
                    for each in found
                )
            case SeenBefore(handle, unique_id, _):
                notebook.yes_or_no[question] = await self._mailboxes.scripts.remembers(
                    account, memory_handle("seen", handle, unique_id)
                )
            case ScriptNamed(location, name):
                notebook.scripts[question] = await self._named(account, location, name)
            case Metadata():
                notebook.annotations[question] = None
            case BodyWanted():
                raise AssertionError("the body is no answer in the notebook")
            case _:
                notebook.yes_or_no[question] = False

    async def _named(
        self, account: AccountRef, location: Location, name: str
    ) -> Program | ScriptError | None:
        if location is not Location.PERSONAL:
            return None
        try:
            return await _compiled(await self._mailboxes.scripts.get(account, name))
        except ScriptMissing:
            return None

    async def _mailbox(self, account: AccountRef, name: str) -> str | None:
        try:
            found = await self._mailboxes.get_mailbox(account, name)
        except MailboxNameInvalid:
            return None
        return None if found is None else found.name

    async def _targets(self, account: AccountRef, outcome: Outcome) -> dict[Target, str | None]:
        targets = dict.fromkeys(action.target for action in outcome.actions if hasattr(action, "target"))
        return {target: await self._target(account, target) for target in targets}

    async def _target(self, account: AccountRef, target: Target) -> str | None:
        """RFC 8579 §4: the special use first, then the name, then a new mailbox where that is asked for."""
        if target.special_use is not None:
            for each in await self._mailboxes.list_mailboxes(account):
                if target.special_use.lower() in {use.lower() for use in each.special_use}:
                    return each.name
        found = await self._mailbox(account, target.mailbox)
        if found is not None or not target.create:
            return found
        try:
            return (await self._mailboxes.create_mailbox(account, target.mailbox)).name
        except MailboxExists:
            return await self._mailbox(account, target.mailbox)
        except MailboxNameInvalid:
            return None

    # -- what is sent

    async def _send(self, letter: SpooledLetter, delivery: Delivery, sending: Sending, header: bytes) -> None:
        envelope = letter.envelope
        queue_id = sent_queue_id(envelope.queue_id, delivery.recipient, sending)
        message_id, now, owner = f"<{queue_id}@{self._hostname}>", datetime.now(UTC), delivery.recipient
        match sending:
            case Redirect():
                # The gate's trace fields go along, and ours: who passed it on stops a loop.
                prefix = f"Delivered-To: {owner}\r\n".encode() + envelope.trace_prefix
                await self._accept(
                    delivery,
                    queue_id,
                    envelope.reverse_path,
                    [sending.address],
                    await self._content(letter),
                    prefix,
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
                    await self._accept(delivery, queue_id, "", [envelope.reverse_path], content)
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
    ) -> None:
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
                eight_bit=not content.isascii(),
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


async def _compiled(content: bytes) -> Program | ScriptError:
    try:
        return await asyncio.to_thread(compile_script, content, available=OFFERED)
    except ScriptError as error:
        return error
