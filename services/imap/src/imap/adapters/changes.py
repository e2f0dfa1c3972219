"""Changes over NATS: one subscription for each account, shared by its sessions in this process."""

from collections.abc import Callable

from eventbus import EventBus, Subscription, subjects
from mailmodel import AccountRef
from mailwire.mailbox.v1 import mailbox_pb2 as wire

Told = Callable[[int], None]


class _Shared:
    def __init__(self) -> None:
        self.listeners: list[Told] = []
        self.subscription: Subscription | None = None

    def came(self, _subject: str, payload: bytes) -> None:
        mailbox_id = wire.MailboxChanged.FromString(payload).mailbox_id
        for told in list(self.listeners):
            told(mailbox_id)


class _Listening:
    def __init__(self, changes: "BusChanges", account_id: str, told: Told) -> None:
        self._changes = changes
        self._account_id = account_id
        self._told = told

    async def stop(self) -> None:
        await self._changes.leave(self._account_id, self._told)


class BusChanges:
    """Satisfies ports.Changes."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._shared: dict[str, _Shared] = {}

    @property
    def hears(self) -> bool:
        return self._bus.connected

    async def listen(self, account: AccountRef, told: Told) -> _Listening:
        shared = self._shared.get(account.account_id)
        if shared is None:
            shared = self._shared[account.account_id] = _Shared()
            shared.listeners.append(told)
            shared.subscription = await self._bus.listen(
                subjects.mailbox_changed(account.account_id), shared.came
            )
        else:
            shared.listeners.append(told)
        return _Listening(self, account.account_id, told)

    async def leave(self, account_id: str, told: Told) -> None:
        """One session less."""
        shared = self._shared.get(account_id)
        if shared is None or told not in shared.listeners:
            return
        shared.listeners.remove(told)
        if not shared.listeners:
            del self._shared[account_id]
            if shared.subscription is not None:
                await shared.subscription.stop()
