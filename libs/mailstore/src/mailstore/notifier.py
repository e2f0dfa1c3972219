"""Telling the others over NATS that a mailbox changed, and what a user takes messages for.

The first change of a mailbox is told at once. Of those that follow within SPACING_SECONDS only the last is told, when
these are over: who listens wants to know up to where to look, and a client that changes a thousand flags one by one
need not make a thousand notices.
"""

import asyncio
import json
from collections.abc import Callable

from eventbus import EventBus, subjects
from mailmodel import AccountRef
from mailwire.mailbox.v1 import mailbox_pb2 as wire

from mailstore.types import MailboxChange, Sorted

SORTED_AT_ONCE = 500


# Less than anybody notices, and far below the 50 ms within which others are to hear of a change.
SPACING_SECONDS = 0.01


def bus_notifier(bus: EventBus) -> Callable[[MailboxChange], None]:
    """A `tell` for MailStore.open that publishes on mailbox.changed.<account>."""
    return Notices(bus).tell


class Notices:
    """What has been told a moment ago, and what is to be told in a moment."""

    def __init__(self, bus: EventBus, spacing_seconds: float = SPACING_SECONDS) -> None:
        self._bus = bus
        self._spacing_seconds = spacing_seconds
        # By account and mailbox; None: nothing has changed since it was told.
        self._later: dict[tuple[AccountRef, int], MailboxChange | None] = {}

    def tell(self, change: MailboxChange) -> None:
        """Now or in a moment. Called within the loop."""
        if change.keys:
            self._publish(change)
            return
        mailbox = (change.account, change.mailbox_id)
        if mailbox in self._later:
            later = self._later[mailbox]
            if later is None or later.highest_modseq < change.highest_modseq:
                self._later[mailbox] = change
            return
        self._publish(change)
        self._later[mailbox] = None
        asyncio.get_running_loop().call_later(self._spacing_seconds, self._over, mailbox)

    def _over(self, mailbox: tuple[AccountRef, int]) -> None:
        later = self._later.pop(mailbox)
        if later is not None:
            self.tell(later)

    def _publish(self, change: MailboxChange) -> None:
        message = wire.MailboxChanged(
            tenant_id=change.account.tenant_id,
            account_id=change.account.account_id,
            mailbox_id=change.mailbox_id,
            highest_modseq=change.highest_modseq,
            keys=change.keys,
        )
        self._bus.tell(subjects.mailbox_changed(change.account.account_id), message.SerializeToString())


def sorted_notifier(bus: EventBus) -> Callable[[Sorted], None]:
    """For MailStore.on_sorted: publishes on mailbox.sorted.<account>."""

    def tell(what: Sorted) -> None:
        for start in range(0, len(what.uids), SORTED_AT_ONCE):
            told = {
                "tenant_id": what.account.tenant_id,
                "account_id": what.account.account_id,
                "mailbox_id": what.mailbox_id,
                "uids": what.uids[start : start + SORTED_AT_ONCE],
                "as": what.sorted_as.value,
            }
            bus.tell(subjects.mailbox_sorted(what.account.account_id), json.dumps(told).encode())

    return tell
