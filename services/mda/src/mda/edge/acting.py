"""Scripts that run when users do something over IMAP (RFC 6785): append, copy or move messages, change flags.

imap tells what was done in mailboxes that have a script (`/shared/imapsieve/script`), over a stream that keeps it until it is
settled here. What a script does is told by nobody, so that no script runs because of another.

An event that comes again does nothing twice: what is sent has the same queue id, and before a message is copied or
marked that is noted. A process that dies in between leaves the message as it is.

Events of different accounts are worked on beside each other, those of one account in the order in which they came.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from blobstore import BlobUnavailable
from directoryclient import Unavailable
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import (
    BodyCorrupt,
    Columns,
    MailboxMissing,
    MailStore,
    NewMessage,
    QuotaExceeded,
    StoredMessage,
    StoreUnavailable,
)
from servicekit import logs
from sieve import Situation, Stage
from sieve.actions import Edition, FileInto, Notify, Redirect, RedirectToList
from sieve.replies import build_notification
from spool import BusLetter, OutcomeUnknown, SpoolUnavailable

from mda import metrics
from mda.core.events import (
    ENTRY,
    Event,
    EventPlan,
    NoEvent,
    Sending,
    base_queue_id,
    environment,
    plan_event,
    read_event,
    script_name,
)
from mda.core.sent_on import of_nobody
from mda.core.sieving import may_send_to, memory_handle, sent_queue_id, was_redirected_by, without_prefix
from mda.edge.failures import Failures
from mda.edge.outgoing import Outgoing
from mda.edge.placing import Placing
from mda.edge.running import Input, Running
from mda.ports import Source

LOG = logs.logger("mda.acting")
AT_ONCE = 32
# What waits for an earlier event of its account shows signs of life.
TURN_SECONDS = 15.0
# Short: the drain is heard after it.
WAIT_SECONDS = 0.25
TRIES = 5
# Longer than an event waits in the stream.
NOTED_SECONDS = 2 * 86_400
# What one command may have scripts send; what it does to more messages is not sent on.
MOST_SENT = 100
COLUMNS = Columns.HEADER | Columns.BODY
AWAY = (StoreUnavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown, Unavailable)


class Acting:
    """The events of all accounts."""

    def __init__(
        self,
        source: Source,
        mailboxes: MailStore,
        running: Running,
        outgoing: Outgoing,
        placing: Placing,
        draining: asyncio.Event,
        *,
        retry_seconds: float,
    ) -> None:
        self._source = source
        self._mailboxes = mailboxes
        self._running = running
        self._outgoing = outgoing
        self._failures = Failures(mailboxes, outgoing)
        self._placing = placing
        self._draining = draining
        self._retry_seconds = retry_seconds
        self._working: set[asyncio.Task[None]] = set()
        # What ends the process: the bus cannot be told what is settled.
        self._broken: BaseException | None = None
        # The last event of each account that is worked on or waits for its turn.
        self._last: dict[AccountRef, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            if self._broken is not None:
                raise self._broken
            if room := AT_ONCE - len(self._working):
                for item in await self._source.fetch(room, WAIT_SECONDS):
                    self._begin(item)
            else:
                await asyncio.wait(self._working, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*self._working)

    def _begin(self, item: BusLetter) -> None:
        account = _account_of(item)
        before = None if account is None else self._last.get(account)
        task = asyncio.create_task(self._in_turn(item, before))
        self._working.add(task)
        if account is not None:
            self._last[account] = task

        def ended(_: asyncio.Task[None]) -> None:
            self._working.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._broken = error
            if account is not None and self._last.get(account) is task:
                del self._last[account]

        task.add_done_callback(ended)

    async def _in_turn(self, item: BusLetter, before: asyncio.Task[None] | None) -> None:
        while before is not None and not before.done():
            await asyncio.wait([before], timeout=TURN_SECONDS)
            await item.keep_working()
        if before is not None and self._draining.is_set():
            # It has not begun: another process does it now.
            await item.retry_later(0.0)
            return
        await self.settle(item)

    async def settle(self, item: BusLetter) -> None:
        """One event."""
        try:
            await item.keep_working()
            await self._act(read_event(item.payload), item)
        except NoEvent as error:
            LOG.warning("event_unreadable", error=str(error))
        except AWAY as error:
            LOG.warning("event_postponed", error=str(error))
            await item.retry_later(self._retry_seconds)
            return
        except Exception as error:
            LOG.exception("event_failed", error=str(error))
            if item.deliveries < TRIES:
                await item.retry_later(self._retry_seconds)
                return
        await item.acknowledge()

    async def _act(self, event: Event, item: BusLetter) -> None:
        account = event.account
        name = script_name(await self._mailboxes.annotations_named(account, [ENTRY]), event.mailbox_id)
        stage = await self._running.at_event(account, name) if name else None
        if stage is None:
            return
        infos = await self._mailboxes.list_mailboxes(account)
        mailbox = next((each.name for each in infos if each.mailbox_id == event.mailbox_id), None)
        if mailbox is None:
            return
        sent = 0
        async for part in self._mailboxes.fetch(account, event.mailbox_id, list(event.uids), COLUMNS):
            for message in part:
                await item.keep_working()
                handle = memory_handle("event", event.event_id, str(message.uid))
                if await self._mailboxes.scripts.remembers(account, handle):
                    continue
                try:
                    header, plan = await self._planned(event, message, stage, mailbox)
                    sent += len(plan.sendings)
                    if sent > MOST_SENT:
                        LOG.warning("event_sends_too_much", account_id=account.account_id)
                        plan = EventPlan([], [], True, None)
                    await self._carry_out(event, message, header, plan, handle)
                except (BodyCorrupt, MailboxMissing) as error:
                    LOG.warning("event_left_alone", account_id=account.account_id, error=str(error))

    async def _planned(
        self, event: Event, message: StoredMessage, stage: Stage, mailbox: str
    ) -> tuple[bytes, EventPlan]:
        begin = len(message.prefix)
        header_end = begin + message.header_octets
        own = message.header or await self._mailboxes.read(message, begin, message.header_octets)
        header = message.prefix + own

        async def body() -> bytes:
            return await self._mailboxes.read(message, header_end, message.size_octets - header_end)

        situation = Situation(
            # RFC 6785 §3.4: what is sent on comes from the owner of the mailbox.
            reverse_path=event.owner,
            forward_path=event.owner,
            own_addresses=frozenset({event.owner}),
            now=datetime.now(UTC),
            environment=environment(event, mailbox, self._outgoing.hostname),
            flags=tuple(message.flags.to_wire()),
            has_envelope=False,
        )
        outcome = await self._running.run(
            event.account, [stage], Input(header, message.size_octets, body), situation
        )
        if outcome.error is not None:
            LOG.info("script_failed", account_id=event.account.account_id, reason=str(outcome.error))
            await self._failures.tell(event.account, event.owner, outcome.error, own)
        metrics.SCRIPTS.labels("run" if outcome.error is None else "failed").inc()
        # Our own Delivered-To says only that it was delivered here.
        return header, plan_event(outcome.actions, is_looping=was_redirected_by(own, event.owner))

    async def _carry_out(
        self, event: Event, message: StoredMessage, header: bytes, plan: EventPlan, handle: bytes
    ) -> None:
        is_kept = plan.is_kept
        for sending in plan.sendings:
            members: list[str] = []
            if isinstance(sending, RedirectToList):
                members = await self._running.lists.addresses(event.account, event.owner, sending.list_name)
                if not may_send_to(members):
                    is_kept = True
                    continue
            await self._send(event, message, sending, members)
        targets = [(copy, await self._target(event, copy)) for copy in plan.copies]
        if not await self._mailboxes.scripts.remember(event.account, handle, NOTED_SECONDS):
            return
        for copy, target_id in targets:
            if target_id is None or not await self._copy(event, message, copy, target_id):
                # Nothing is lost by a typing error, or for want of room.
                LOG.info("event_copy_not_filed", account_id=event.account.account_id)
                is_kept = True
        await self._mark(event, message, plan.flags if is_kept else None, is_kept=is_kept)

    async def _target(self, event: Event, copy: FileInto) -> int | None:
        name = await self._placing.name_of(event.account, copy.target)
        if name is None:
            return None
        found = await self._mailboxes.get_mailbox(event.account, name)
        return None if found is None else found.mailbox_id

    async def _copy(self, event: Event, message: StoredMessage, copy: FileInto, target_id: int) -> bool:
        """A new message (§3.3), changed where the script has changed it."""
        account, flags = event.account, Flags.from_wire(copy.flags)
        try:
            if copy.edition is None:
                result = await self._mailboxes.copy(account, event.mailbox_id, [message.uid], target_id)
                uids = [uid for _, uid in result.pairs]
                if uids and flags != message.flags:
                    change = FlagChange(FlagAction.REPLACE, flags)
                    await self._mailboxes.store_flags(account, target_id, uids, change)
                return bool(uids)
            content = await self._edited(message, copy.edition)
            new = NewMessage(
                body=await self._mailboxes.put_body(account, content),
                prefix=b"",
                facts=await asyncio.to_thread(examine, content),
                internal_date=message.internal_date,
                flags=flags,
            )
            await self._mailboxes.append(account, target_id, [new])
        except (QuotaExceeded, MailboxMissing):
            return False
        return True

    async def _edited(self, message: StoredMessage, edition: Edition) -> bytes:
        if edition.body is not None:
            return edition.header + edition.body
        # All of it: only then it is looked whether it is what was stored.
        begin = len(message.prefix)
        received = await self._mailboxes.read(message, begin, message.size_octets - begin)
        return edition.header + received[message.header_octets :]

    async def _mark(
        self, event: Event, message: StoredMessage, flags: Flags | None, *, is_kept: bool
    ) -> None:
        """The flags that the script has changed, and no others: somebody else may have changed those meanwhile."""
        before = message.flags
        if not is_kept:
            changes: Sequence[FlagChange] = [FlagChange(FlagAction.ADD, Flags(SystemFlag.DELETED))]
        elif flags is None:
            changes = []
        else:
            changes = [
                FlagChange(FlagAction.ADD, _without(flags, before)),
                FlagChange(FlagAction.REMOVE, _without(before, flags)),
            ]
        for change in changes:
            if change.flags != Flags():
                await self._mailboxes.store_flags(event.account, event.mailbox_id, [message.uid], change)

    async def _send(
        self, event: Event, message: StoredMessage, sending: Sending, members: Sequence[str]
    ) -> None:
        account, owner = event.account, event.owner
        queue_id = sent_queue_id(base_queue_id(event, message.uid), owner, sending)
        match sending:
            case Redirect() | RedirectToList():
                begin = len(message.prefix)
                if sending.edition is None:
                    content = await self._mailboxes.read(message, begin, message.size_octets - begin)
                else:
                    content = await self._edited(message, sending.edition)
                    content = without_prefix(content, message.prefix) if message.prefix else content
                prefix = f"Delivered-To: {owner}\r\n".encode()
                addresses = [sending.address] if isinstance(sending, Redirect) else members
                # Whoever appended it may have written anything.
                speaker = of_nobody(owner)
                await self._outgoing.accept(
                    account, queue_id, owner, addresses, content, prefix, speaker=speaker
                )
            case Notify():
                now = datetime.now(UTC)
                message_id = f"<{queue_id}@{self._outgoing.hostname}>"
                content = build_notification(sending, owner=owner, message_id=message_id, sent_at=now)
                addresses = [*sending.recipients, *sending.copies]
                await self._outgoing.accept(account, queue_id, owner, addresses, content)
                if sending.file_copy is not None:
                    await self._placing.file_copy(account, owner, queue_id, sending.file_copy, content, now)
            case _:
                assert_never(sending)


def _account_of(item: BusLetter) -> AccountRef | None:
    """None: it is no event, and waits for nobody."""
    try:
        return read_event(item.payload).account
    except NoEvent:
        return None


def _without(flags: Flags, others: Flags) -> Flags:
    known = {word.lower() for word in others.keywords}
    return Flags(
        flags.system & ~others.system,
        frozenset(word for word in flags.keywords if word.lower() not in known),
    )
