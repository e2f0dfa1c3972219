"""Return receipts (RFC 8098): senders who asked are told that a message was displayed, where its reader always allows it.

IMAP tells of what such readers open (`mailbox.read.<account>`); each process hears it, and the one that notes it first
sends. A message is told of once, whatever copies of it there are; `$MDNSent` keeps the reader's programs from asking
(RFC 3503). Of mail that was not delivered here (no Return-Path of ours), or that lies in Junk, nobody is told; nor is
whoever a stranger has named as its sender.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from directoryclient import DirectoryClient, Disposition, Unavailable
from mailmodel import AccountRef, Entry, FlagAction, FlagChange, Flags, MailboxInfo
from mailmsg.header import first_value
from mailmsg.mdn import Displayed, build_displayed, return_address
from mailstore import Columns, MailboxMissing, StoredMessage, StoreUnavailable
from mailstore.scripts import ScriptStore
from servicekit import logs
from spool import Letter, OutcomeUnknown, Recipient, Source, Spool, SpoolUnavailable, new_queue_id

from mda import metrics
from mda.core.allowing import MDN_SENT, is_vouched_for, was_told
from mda.core.sieving import memory_handle

LOG = logs.logger("mda.disclosing")
JUNK = "\\Junk"
MOST_WAITING = 2_000
# Afterwards the keyword alone says it.
NOTED_SECONDS = 30 * 86_400
TRIES = 5


class Store(Protocol):
    """What of the mail store is needed."""

    @property
    def scripts(self) -> ScriptStore: ...

    def fetch(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]: ...

    async def list_mailboxes(self, account: AccountRef) -> Sequence[MailboxInfo]: ...

    async def store_flags(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
    ) -> list[Entry]: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """Messages that their owner has opened."""

    account: AccountRef
    mailbox_id: int
    uids: tuple[int, ...]


class Disclosing:
    """What is still to be told."""

    def __init__(
        self,
        hostname: str,
        mailboxes: Store,
        spool: Spool,
        directory: DirectoryClient,
        draining: asyncio.Event,
        *,
        retry_seconds: float,
    ) -> None:
        self._hostname = hostname
        self._mailboxes = mailboxes
        self._spool = spool
        self._directory = directory
        self._draining = draining
        self._retry_seconds = retry_seconds
        self._opened: asyncio.Queue[Opened] = asyncio.Queue(MOST_WAITING)

    def heard(self, _subject: str, payload: bytes) -> None:
        """Somebody has opened messages."""
        try:
            told = json.loads(payload)
            account = AccountRef(str(told["tenant_id"]), str(told["account_id"]))
            opened = Opened(account, int(told["mailbox_id"]), tuple(int(uid) for uid in told["uids"]))
        except (ValueError, KeyError, TypeError):
            return
        if not self._opened.full():
            self._opened.put_nowait(opened)

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            try:
                async with asyncio.timeout(1.0):
                    opened = await self._opened.get()
            except TimeoutError:
                continue
            try:
                await self.disclose(opened)
            except (StoreUnavailable, MailboxMissing) as error:
                LOG.warning("disposition_not_told", error=str(error))
            except Exception:
                # Of a message that somebody sent: it must not end the process that files everybody's mail.
                LOG.exception("disposition_not_told")

    async def disclose(self, opened: Opened) -> int:
        """How many senders were told. Raises StoreUnavailable, MailboxMissing."""
        account, told = opened.account, 0
        async for part in self._mailboxes.fetch(
            account, opened.mailbox_id, list(opened.uids), Columns.HEADER
        ):
            for message in part:
                what = self._displayed(message)
                if what is None or await self._is_junk(opened):
                    continue
                # A copy from a mailbox of others was delivered to them.
                if await self._is_of(account, what.reader) and await self._claim(opened, message):
                    told += await self._send(account, what)
        return told

    def _displayed(self, message: StoredMessage) -> Displayed | None:
        """What there is to tell; None: nothing."""
        reverse_path = first_value(message.prefix, b"Return-Path")
        reader = first_value(message.prefix, b"Delivered-To")
        if reverse_path is None or reader is None or was_told(message.flags):
            return None
        recipient = return_address(message.header, reverse_path)
        if recipient is None or not is_vouched_for(message.prefix, recipient):
            return None
        return Displayed(reader.decode("utf-8", "replace"), recipient, self._hostname, message.header)

    async def _is_junk(self, opened: Opened) -> bool:
        return any(
            each.mailbox_id == opened.mailbox_id and JUNK in each.special_use
            for each in await self._mailboxes.list_mailboxes(opened.account)
        )

    async def _is_of(self, account: AccountRef, address: str) -> bool:
        """Not where that cannot be asked now."""
        try:
            [resolution] = await self._directory.resolve([address])
        except Unavailable as error:
            LOG.warning("disposition_not_told", account_id=account.account_id, error=str(error))
            return False
        return any(target.account_id == account.account_id for target in resolution.targets)

    async def _claim(self, opened: Opened, message: StoredMessage) -> bool:
        """Whether it is this process, and this copy, that tells; noted before anything is sent: rather none than two."""
        handle = memory_handle("mdn", message.message_id)
        is_first = await self._mailboxes.scripts.remember(opened.account, handle, NOTED_SECONDS)
        change = FlagChange(FlagAction.ADD, Flags(keywords=frozenset({MDN_SENT})))
        await self._mailboxes.store_flags(opened.account, opened.mailbox_id, [message.uid], change)
        return is_first

    async def _send(self, account: AccountRef, what: Displayed) -> bool:
        """Under one queue id however often it is tried."""
        queue_id, now = new_queue_id(), datetime.now(UTC)
        content = build_displayed(what, message_id=f"<{queue_id}@{self._hostname}>", sent_at=now)
        for left in reversed(range(TRIES)):
            try:
                recipients = await self._recipients(account, what.recipient)
                if not recipients:
                    return False
                await self._spool.accept(
                    Letter(
                        queue_id=queue_id,
                        reverse_path="",
                        recipients=tuple(recipients),
                        content=content,
                        trace_prefix=b"",
                        source=Source.DSN,
                        arrived_at=now,
                        smtputf8=not (what.recipient + what.reader).isascii(),
                        eight_bit=not content.isascii(),
                    )
                )
            except (Unavailable, SpoolUnavailable, OutcomeUnknown) as error:
                if not left or self._draining.is_set():
                    LOG.warning("disposition_not_told", account_id=account.account_id, error=str(error))
                    return False
                await asyncio.sleep(self._retry_seconds)
                continue
            metrics.DISPLAYED.inc()
            LOG.info("disposition_told", queue_id=queue_id, account_id=account.account_id)
            return True
        return False

    async def _recipients(self, account: AccountRef, address: str) -> list[Recipient]:
        [resolution] = await self._directory.resolve([address])
        if resolution.disposition is Disposition.REMOTE:
            return [Recipient(address, address, account.tenant_id, None)]
        return [
            Recipient(target.address, address, target.tenant_id, target.account_id)
            for target in resolution.targets
        ]
