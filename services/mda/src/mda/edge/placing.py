"""Which mailbox a script means, and copies of what scripts send (RFC 8580)."""

import asyncio
from datetime import datetime

from mailmodel import AccountRef, Flags
from mailmodel.mailbox_name import MailboxNameInvalid
from mailmsg.facts import examine
from mailstore import (
    Delivery,
    MailboxesFull,
    MailboxExists,
    MailboxMissing,
    MailStore,
    NewMessage,
    Outcome,
)
from servicekit import logs
from sieve.actions import FileCopy, Target

from mda.core.plan import INBOX
from mda.edge.running import Running

LOG = logs.logger("mda.placing")


class Placing:
    """All methods raise StoreUnavailable."""

    def __init__(self, mailboxes: MailStore, running: Running) -> None:
        self._mailboxes = mailboxes
        self._running = running

    async def name_of(self, account: AccountRef, target: Target) -> str | None:
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
        except (MailboxNameInvalid, MailboxesFull):
            return None

    async def file_copy(
        self, account: AccountRef, owner: str, queue_id: str, copy: FileCopy, content: bytes, at: datetime
    ) -> None:
        """Once, however often it is asked for. Where its mailbox is missing it is filed into INBOX; no room: not at all."""
        name = await self.name_of(account, copy.target) or INBOX
        new = NewMessage(
            body=await self._mailboxes.put_body(account, content),
            prefix=b"",
            facts=await asyncio.to_thread(examine, content),
            internal_date=at,
            flags=Flags.from_wire(copy.flags),
        )
        # A blank is in no address: a message to its own sender is filed beside its copy.
        try:
            [outcome] = await self._mailboxes.deliver(
                [Delivery(account, queue_id, f"{owner} copy", name, new)]
            )
        except MailboxMissing:
            LOG.info("copy_not_filed", account_id=account.account_id, queue_id=queue_id, reason="no mailbox")
            return
        if outcome is Outcome.OVER_QUOTA:
            LOG.info("copy_not_filed", account_id=account.account_id, queue_id=queue_id, reason="no room")
