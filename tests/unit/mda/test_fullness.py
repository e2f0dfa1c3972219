"""Who is warned that a mailbox fills up, and what doors hear of it."""

import asyncio
from typing import Any, cast

import pytest
from mailmodel import AccountRef, Quota, QuotaLimits
from mailstore import Delivery
from mda.core.fullness import told_room, words
from mda.edge.fullness import Fullness
from spool import Letter, SpoolUnavailable

ANN = AccountRef("11111111-0000-0000-0000-000000000001", "22222222-0000-0000-0000-000000000002")
MIB = 1 << 20


def quota(used: int, limit: int = 100 * MIB, **limits: int) -> Quota:
    pool = limits.pop("pool_used", 0)
    return Quota(ANN, QuotaLimits(octets=limit, **limits), used, 7, pool)


class World:
    """Quotas, what scripts remember, the gate, the ledger."""

    def __init__(self) -> None:
        self.quotas: dict[str, Quota] = {}
        self.kept: set[bytes] = set()
        self.letters: list[Letter] = []
        self.rooms: dict[str, bytes] = {}
        self.puts = 0
        self.gate_away = False
        anything = cast(Any, self)
        self.fullness = Fullness("mail.test", anything, anything, self, self.refresh, asyncio.Event())

    async def refresh(self) -> None: ...

    async def quota(self, account: AccountRef) -> Quota:
        return self.quotas[account.account_id]

    @property
    def scripts(self) -> "World":
        return self

    async def remember(self, account: AccountRef, handle: bytes, seconds: int) -> bool:
        is_new = handle not in self.kept
        self.kept.add(handle)
        return is_new

    async def prolong(self, account: AccountRef, handle: bytes, seconds: int) -> None:
        (self.kept.add if seconds else self.kept.discard)(handle)

    async def accept(self, letter: Letter) -> None:
        if self.gate_away:
            raise SpoolUnavailable("away")
        self.letters.append(letter)

    async def put(self, key: str, value: bytes) -> None:
        self.puts += 1
        self.rooms[key] = value

    async def remove(self, key: str) -> None:
        del self.rooms[key]

    def deliver(self, now: Quota) -> None:
        async def run() -> None:
            self.fullness.seen(now)
            self.fullness.filed([Delivery(ANN, "q1", "ann@a.test", "INBOX", None)])
            await self.fullness.settle()

        asyncio.run(run())


def test_each_threshold_is_told_once() -> None:
    world = World()
    for percent in (50, 79, 80, 85, 94, 95, 99, 100):
        world.deliver(quota(percent * MIB))
    assert len(world.letters) == 2
    first, second = (letter.content for letter in world.letters)
    assert b"80 % full" in first
    assert b"95 % full" in second
    assert all(letter.recipients[0].account_id == ANN.account_id for letter in world.letters)
    assert all(letter.reverse_path == "" for letter in world.letters)


def test_who_jumps_over_a_threshold_is_told_of_the_highest_only() -> None:
    world = World()
    world.deliver(quota(97 * MIB))
    world.deliver(quota(81 * MIB))
    assert len(world.letters) == 1


def test_what_could_not_be_told_is_told_with_the_next_delivery() -> None:
    world = World()
    world.gate_away = True
    world.deliver(quota(80 * MIB))
    world.gate_away = False
    world.deliver(quota(80 * MIB))
    assert len(world.letters) == 1


def test_doors_hear_of_what_fills_up_and_when_there_is_room_again() -> None:
    world = World()
    world.deliver(quota(50 * MIB))
    assert world.rooms == {}
    for used in (93 * MIB, 93 * MIB + 10, 93 * MIB + 20):
        world.deliver(quota(used))
    # Not each message is news.
    assert world.puts == 1
    world.deliver(quota(100 * MIB))
    assert world.rooms == {ANN.account_id: f"{ANN.tenant_id} 0".encode()}
    world.quotas[ANN.account_id] = quota(100 * MIB)
    asyncio.run(world.fullness.look_again())
    assert world.rooms
    world.quotas[ANN.account_id] = quota(10 * MIB)
    asyncio.run(world.fullness.look_again())
    assert world.rooms == {}


@pytest.mark.parametrize(
    ("now", "room"),
    [
        (quota(0), None),
        (quota(0, limit=0), None),
        (quota(95 * MIB), 8 * MIB),
        (quota(100 * MIB - 100), 0),
        (quota(101 * MIB), 0),
        (quota(1, messages=7), 0),
        (quota(1, limit=0, messages=7), 0),
        (quota(1, limit=0, messages=8), None),
        (quota(1, tenant_octets=1000 * MIB, pool_used=999 * MIB), 2 * MIB),
    ],
)
def test_what_doors_are_told(now: Quota, room: int | None) -> None:
    assert told_room(now) == room
    assert now.free_octets is None or room is None or room == 0 or room >= now.free_octets


def test_a_warning_says_how_much() -> None:
    text = words(quota(81 * MIB, messages=8))
    assert "81 MiB of 100 MiB" in text
    assert "7 of 8 messages" in text
