"""Telling over NATS that a user has opened messages; mda hears it."""

import json
from collections.abc import Sequence

from eventbus import EventBus, subjects
from mailmodel import AccountRef

from imap.ports import Opened


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
