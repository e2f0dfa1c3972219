"""Telling the others over NATS that a mailbox changed, and what a user takes messages for."""

import json
from collections.abc import Callable

from eventbus import EventBus, subjects
from mailwire.mailbox.v1 import mailbox_pb2 as wire

from mailstore.types import MailboxChange, Sorted

SORTED_AT_ONCE = 500


def bus_notifier(bus: EventBus) -> Callable[[MailboxChange], None]:
    """A `tell` for MailStore.open that publishes on mailbox.changed.<account>."""

    def tell(change: MailboxChange) -> None:
        message = wire.MailboxChanged(
            tenant_id=change.account.tenant_id,
            account_id=change.account.account_id,
            mailbox_id=change.mailbox_id,
            highest_modseq=change.highest_modseq,
        )
        bus.tell(subjects.mailbox_changed(change.account.account_id), message.SerializeToString())

    return tell


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
