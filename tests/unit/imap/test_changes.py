"""One subscription for each account, for as long as somebody listens and a little longer."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from imap.adapters.changes import BusChanges
from mailmodel import AccountRef
from mailstore import MailboxChange, bus_notifier
from mailwire.mailbox.v1 import mailbox_pb2 as wire

ACCOUNT = AccountRef("tenant", "account")


class Bus:
    """Stands for an EventBus."""

    connected = True

    def __init__(self) -> None:
        self.callbacks: list[Callable[[str, bytes], None]] = []
        self.asked = 0

    async def listen(self, _subject: str, callback: Callable[[str, bytes], None]) -> "Bus":
        self.asked += 1
        self.callbacks.append(callback)
        return self

    async def stop(self) -> None:
        self.callbacks.pop()

    def tell(self, mailbox_id: int) -> None:
        for callback in self.callbacks:
            callback("", wire.MailboxChanged(mailbox_id=mailbox_id).SerializeToString())


async def test_sessions_share_it_and_it_outlives_them() -> None:
    bus = Bus()
    changes = BusChanges(cast(Any, bus))
    heard: list[tuple[str, int]] = []
    one = await changes.listen(ACCOUNT, lambda number, _modseq: heard.append(("one", number)))
    two = await changes.listen(ACCOUNT, lambda number, _modseq: heard.append(("two", number)))
    bus.tell(7)
    assert heard == [("one", 7), ("two", 7)]
    await one.stop()
    await two.stop()
    await two.stop()
    bus.tell(8)
    assert len(heard) == 2
    await changes.listen(ACCOUNT, lambda number, _modseq: heard.append(("three", number)))
    bus.tell(9)
    assert heard[2:] == [("three", 9)]
    assert bus.asked == 1


async def test_it_ends_when_nobody_comes_back() -> None:
    bus = Bus()
    changes = BusChanges(cast(Any, bus), linger_seconds=0)
    listening = await changes.listen(ACCOUNT, lambda *_: None)
    await listening.stop()
    # Somebody comes back before it is over, and then nobody.
    again = await changes.listen(ACCOUNT, lambda *_: None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(bus.callbacks) == 1
    await again.stop()
    for _ in range(5):
        await asyncio.sleep(0)
    assert bus.callbacks == []
    await changes.listen(ACCOUNT, lambda *_: None)
    assert bus.asked == 2


async def test_what_this_process_has_done_itself_is_told_without_the_bus() -> None:
    changes = BusChanges(cast(Any, Bus()))
    heard: list[tuple[int, int]] = []
    await changes.listen(ACCOUNT, lambda number, modseq: heard.append((number, modseq)))
    changes.told(MailboxChange(ACCOUNT, 7, 12))
    changes.told(MailboxChange(AccountRef(ACCOUNT.tenant_id, "another"), 7, 12))
    assert heard == [(7, 12)]


async def test_a_renewed_key_is_told_to_the_accounts_own_sessions_and_never_left_out() -> None:
    bus = Bus()
    changes = BusChanges(cast(Any, bus))
    heard: list[tuple[int, int]] = []
    renewed: list[int] = []
    own = await changes.listen(ACCOUNT, lambda *change: heard.append(change), renewed.append)
    await changes.listen(ACCOUNT, lambda *change: heard.append(change))

    class Sent:
        def tell(self, _subject: str, payload: bytes) -> None:
            for callback in bus.callbacks:
                callback("", payload)

    # Two changes within a moment are told as one; a key is told all the same, and as nothing else.
    tell = bus_notifier(cast(Any, Sent()))
    for change in (
        MailboxChange(ACCOUNT, 7, 12),
        MailboxChange(ACCOUNT, 7, 13),
        MailboxChange(ACCOUNT, 7, 0, keys=True),
        MailboxChange(ACCOUNT, 0, 0, keys=True),
    ):
        tell(change)
    assert (heard, renewed) == ([(7, 12), (7, 12)], [7, 0])
    changes.told(MailboxChange(ACCOUNT, 8, 0, keys=True))
    await own.stop()
    changes.told(MailboxChange(ACCOUNT, 9, 0, keys=True))
    assert (heard, renewed) == ([(7, 12), (7, 12)], [7, 0, 8])
