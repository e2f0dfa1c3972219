"""Changes over NATS: one subscription for each account, shared by its sessions in this process.

It stays for a while after the last of them: most clients come back at once, and to subscribe anew each time is a good
part of what a login costs.
"""

import asyncio
from collections.abc import Callable

from eventbus import EventBus, Subscription, subjects
from mailmodel import AccountRef
from mailstore import MailboxChange
from mailwire.mailbox.v1 import mailbox_pb2 as wire

Told = Callable[[int, int], None]
Renewed = Callable[[int], None]

LINGER_SECONDS = 30.0


class _Shared:
    def __init__(self) -> None:
        self.listeners: list[Told] = []
        self.renewed: dict[Told, Renewed] = {}
        self.subscription: Subscription | None = None
        # Set while nobody listens.
        self.expiry: asyncio.TimerHandle | None = None

    def came(self, _subject: str, payload: bytes) -> None:
        change = wire.MailboxChanged.FromString(payload)
        if change.keys:
            self.keys(change.mailbox_id)
        else:
            self.changed(change.mailbox_id, change.highest_modseq)

    def keys(self, mailbox_id: int) -> None:
        for renewed in list(self.renewed.values()):
            renewed(mailbox_id)

    def changed(self, mailbox_id: int, modseq: int) -> None:
        for told in list(self.listeners):
            told(mailbox_id, modseq)


class _Listening:
    def __init__(self, changes: "BusChanges", account_id: str, told: Told) -> None:
        self._changes = changes
        self._account_id = account_id
        self._told = told

    async def stop(self) -> None:
        await self._changes.leave(self._account_id, self._told)


class BusChanges:
    """Satisfies ports.Changes."""

    def __init__(self, bus: EventBus, linger_seconds: float = LINGER_SECONDS) -> None:
        self._bus = bus
        self._linger_seconds = linger_seconds
        self._shared: dict[str, _Shared] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def hears(self) -> bool:
        return self._bus.connected

    async def listen(self, account: AccountRef, told: Told, renewed: Renewed | None = None) -> _Listening:
        shared = self._shared.get(account.account_id)
        if shared is None:
            shared = self._shared[account.account_id] = _Shared()
            shared.listeners.append(told)
            shared.subscription = await self._bus.listen(
                subjects.mailbox_changed(account.account_id), shared.came
            )
        else:
            shared.listeners.append(told)
            if shared.expiry is not None:
                shared.expiry.cancel()
                shared.expiry = None
        if renewed is not None:
            shared.renewed[told] = renewed
        return _Listening(self, account.account_id, told)

    def told(self, change: MailboxChange) -> None:
        """By this process itself; the bus does not tell it again."""
        shared = self._shared.get(change.account.account_id)
        if shared is not None and change.keys:
            shared.keys(change.mailbox_id)
        elif shared is not None:
            shared.changed(change.mailbox_id, change.highest_modseq)

    async def leave(self, account_id: str, told: Told) -> None:
        """One session less."""
        shared = self._shared.get(account_id)
        if shared is None or told not in shared.listeners:
            return
        shared.listeners.remove(told)
        shared.renewed.pop(told, None)
        if not shared.listeners:
            shared.expiry = asyncio.get_running_loop().call_later(
                self._linger_seconds, self._expire, account_id
            )

    def _expire(self, account_id: str) -> None:
        shared = self._shared.pop(account_id)
        if shared.subscription is not None:
            ending = asyncio.create_task(shared.subscription.stop())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
