"""Mailboxes known to be full are refused at RCPT."""

import asyncio

import pytest
from directoryclient import Disposition, Resolution, Target
from directoryclient.policies import TenantPolicy
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.rooms import FULL, FULL_FOR_GOOD, Rooms
from spool import Recipient

from tests.support.fake_gateway import converse


def leads_to(*account_ids: str | None) -> Resolution:
    targets = tuple(Target(f"{each}@a.test", each, "tenant-a") for each in account_ids)
    return Resolution(Disposition.DELIVER, targets, "tenant-a")


class Chose:
    def __init__(self, over_quota: str = "") -> None:
        self._policy = TenantPolicy(over_quota=over_quota)

    async def of(self, tenant_id: str) -> TenantPolicy:
        return self._policy


@pytest.mark.parametrize(
    ("chosen", "declared", "reply"),
    [("", 0, FULL), ("retry", 0, FULL), ("refuse", 0, FULL_FOR_GOOD), ("", 5000, FULL)],
)
def test_a_full_mailbox_is_refused_as_its_tenant_wants(chosen: str, declared: int, reply: object) -> None:
    rooms = Rooms(Chose(chosen))
    rooms.heard("ann", b"tenant-a 0")
    assert asyncio.run(rooms.refusal(leads_to("ann"), declared)) is reply
    assert asyncio.run(rooms.refusal(leads_to("bob"), declared)) is None
    # A list reaches somebody still.
    assert asyncio.run(rooms.refusal(leads_to("ann", "bob"), declared)) is None
    rooms.heard("ann", b"")
    assert asyncio.run(rooms.refusal(leads_to("ann"), declared)) is None


def test_what_is_declared_too_large_is_refused_and_what_may_fit_is_not() -> None:
    rooms = Rooms(Chose())
    rooms.heard("ann", b"tenant-a 4096")
    assert asyncio.run(rooms.refusal(leads_to("ann"), 4097)) is FULL
    for declared in (0, 4096):
        assert asyncio.run(rooms.refusal(leads_to("ann"), declared)) is None
    assert asyncio.run(rooms.refusal(Resolution(Disposition.REMOTE, ()), 4097)) is None


def test_a_message_that_fits_nowhere_is_refused_when_it_has_come() -> None:
    rooms = Rooms(Chose("refuse"))

    def to(*account_ids: str | None) -> list[Recipient]:
        return [Recipient(f"{each}@a.test", f"{each}@a.test", "tenant-a", each) for each in account_ids]

    assert asyncio.run(rooms.refusal_of_message(to("ann"), 10**9)) is None
    rooms.heard("ann", b"tenant-a 4096")
    rooms.heard("bob", b"tenant-a 10")
    assert asyncio.run(rooms.refusal_of_message(to("ann"), 4097)) is FULL_FOR_GOOD
    assert asyncio.run(rooms.refusal_of_message(to("ann", "bob"), 4097)) is FULL_FOR_GOOD
    # Whoever files it tells the sender of those whom it did not reach.
    assert asyncio.run(rooms.refusal_of_message(to("ann", "bob"), 4096)) is None
    assert asyncio.run(rooms.refusal_of_message(to("ann", "cyd"), 4097)) is None
    assert asyncio.run(rooms.refusal_of_message(to("ann", None), 4097)) is None


def test_a_message_of_unknown_size_is_refused_at_its_end() -> None:
    rooms = Rooms(Chose())
    rooms.heard("id-jones@foo.com", b"tenant-foo 100")
    chunks = [b"HELO c.test\r\n", b"MAIL FROM:<x@peer.test>\r\n", b"RCPT TO:<jones@foo.com>\r\n", b"DATA\r\n"]
    said, gate, _ = converse(
        Role.MX, [*chunks, b"From: x@peer.test\r\n\r\n" + b"y" * 90 + b"\r\n.\r\n"], rooms=rooms
    )
    assert said.endswith(b"452 4.2.2 The mailbox is full; try again later\r\n")
    assert not gate.letters
    _, gate, _ = converse(Role.MX, [*chunks, b"From: x@peer.test\r\n\r\ny\r\n.\r\n"], rooms=rooms)
    assert len(gate.letters) == 1


def test_what_is_no_number_is_no_news() -> None:
    rooms = Rooms(Chose())
    rooms.heard("ann", b"tenant-a \xff")
    assert asyncio.run(rooms.refusal(leads_to("ann"), 0)) is None
