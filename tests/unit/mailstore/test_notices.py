"""Notices of changes: the first at once, of those that follow soon the last, and none is lost."""

import asyncio
from typing import Any, cast

from mailmodel import AccountRef
from mailstore import MailboxChange
from mailstore.notifier import Notices
from mailwire.mailbox.v1 import mailbox_pb2 as wire

from tests.support.virtual import VirtualLoop

ANNE, BEN = AccountRef("t", "anne"), AccountRef("t", "ben")


class Bus:
    """Remembers when it was told what."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str, int, int]] = []

    def tell(self, subject: str, payload: bytes) -> None:
        change = wire.MailboxChanged.FromString(payload)
        assert subject == f"mailbox.changed.{change.account_id}"
        now = round(asyncio.get_running_loop().time(), 6)
        self.told.append((now, change.account_id, change.mailbox_id, change.highest_modseq))


def run(*changes: tuple[float, AccountRef, int, int]) -> list[tuple[float, str, int, int]]:
    """What the bus is told where these happen, each at its time."""
    bus = Bus()

    async def happen() -> None:
        notices = Notices(cast(Any, bus), 0.01)
        for at, account, mailbox_id, modseq in changes:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            notices.tell(MailboxChange(account, mailbox_id, modseq))
        await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(happen())
    return bus.told


def test_the_first_is_told_at_once() -> None:
    assert run((0, ANNE, 7, 2), (0.5, ANNE, 7, 3)) == [(0, "anne", 7, 2), (0.5, "anne", 7, 3)]


def test_of_many_the_last_is_told_when_the_moment_is_over() -> None:
    changes = [(n / 1000, ANNE, 7, 10 + n) for n in range(26)]
    assert run(*changes) == [
        (0, "anne", 7, 10),
        (0.01, "anne", 7, 19),
        (0.02, "anne", 7, 29),
        (0.03, "anne", 7, 35),
    ]


def test_what_is_older_takes_the_place_of_nothing() -> None:
    assert run((0, ANNE, 7, 2), (0.001, ANNE, 7, 9), (0.002, ANNE, 7, 8))[1:] == [(0.01, "anne", 7, 9)]


def test_each_mailbox_has_its_own_moment() -> None:
    told = run((0, ANNE, 7, 2), (0.001, ANNE, 8, 3), (0.002, BEN, 7, 2), (0.003, ANNE, 0, 0))
    assert told == [(0, "anne", 7, 2), (0.001, "anne", 8, 3), (0.002, "ben", 7, 2), (0.003, "anne", 0, 0)]


def test_the_list_of_mailboxes_is_told_again_where_it_changed_again() -> None:
    assert run((0, ANNE, 0, 0), (0.001, ANNE, 0, 0), (0.002, ANNE, 0, 0)) == [
        (0, "anne", 0, 0),
        (0.01, "anne", 0, 0),
    ]
