"""Telling over NATS that a user has opened messages, or done something for which a script runs; mda hears it."""

import json
from collections.abc import Sequence

from eventbus import EventBus, subjects
from mailmodel import AccountRef

from imap.ports import Acted, Opened


def opened_on(bus: EventBus) -> Opened:
    """Publishes on mailbox.read.<account>."""

    def tell(account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> None:
        told = {
            "tenant_id": account.tenant_id,
            "account_id": account.account_id,
            "mailbox_id": mailbox_id,
            "uids": list(uids),
        }
        bus.tell(subjects.mailbox_read(account.account_id), json.dumps(told).encode())

    return tell


def acted_on(bus: EventBus) -> Acted:
    """Publishes on mailbox.acted.<account>; a stream keeps it."""

    def tell(owner: AccountRef, event: bytes) -> None:
        bus.tell(subjects.mailbox_acted(owner.account_id), event)

    return tell
