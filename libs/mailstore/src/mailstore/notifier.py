"""Telling the others that a mailbox changed, over NATS."""

from collections.abc import Callable

from eventbus import EventBus, subjects
from mailwire.mailbox.v1 import mailbox_pb2 as wire

from mailstore.types import MailboxChange


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
