"""Rates and numbers at once shared between the gateway's processes: each tells the others once a second what it let
through and how many it has.

By core NATS, not a key-value store: a look-up for each command would cost more than a message is worth, and what is
lost or late (a second's use, or what was told while NATS was away) only lets somebody have a little more.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from eventbus import EventBus, subjects
from servicekit import logs

from smtp_gateway.core.at_once import AtOnce, Held, Together
from smtp_gateway.core.limits import Limited, Limits, Spent

LOG = logs.logger("smtp_gateway.sharing")
TELL_SECONDS = 1.0
ENTRIES = 1000
KEY_CHARACTERS = 100
AMOUNT_MOST = 1_000_000
ALLOWED_MOST = 1 << 32
RATES = {limited.value: limited for limited in Limited}
TOGETHER = {together.value: together for together in Together}
NOTHING_AT_ONCE: Mapping[Together, AtOnce] = MappingProxyType({})


def encode(teller: str, told: Sequence[Spent | Held]) -> bytes:
    """What is told."""
    return json.dumps([teller, [_entry(each) for each in told]]).encode()


def _entry(spent: Spent | Held) -> list[str | int]:
    if isinstance(spent, Held):
        return [spent.together.value, spent.key, spent.count]
    entry: list[str | int] = [spent.limited.value, spent.key, spent.amount]
    return [*entry, spent.allowed] if spent.allowed else entry


def decode(payload: bytes) -> tuple[str, list[Spent | Held]]:
    """Who tells what. Raises ValueError on what is nothing of ours; limits that are not known here are left out."""
    try:
        teller, entries = json.loads(payload)
        told = [_read(*entry) for entry in entries[:ENTRIES]]
    except (TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError("that is no use of limits") from error
    return str(teller), [each for each in told if each is not None]


def _read(name: str, key: str, amount: int, *allowed: int) -> Spent | Held | None:
    if name not in RATES and name not in TOGETHER:
        return None
    key, amount = str(key)[:KEY_CHARACTERS], min(max(int(amount), 0), AMOUNT_MOST)
    if name in TOGETHER:
        return Held(TOGETHER[name], key, amount)
    return Spent(RATES[name], key, amount, min(max(int(allowed[0]), 0), ALLOWED_MOST) if allowed else 0)


class Sharing:
    """One process among others."""

    def __init__(
        self,
        limits: Limits,
        tell: Callable[[str, bytes], None],
        clock: Callable[[], float],
        at_once: Mapping[Together, AtOnce] = NOTHING_AT_ONCE,
    ) -> None:
        self._limits = limits
        self._at_once = at_once
        self._tell = tell
        self._clock = clock
        self._me = secrets.token_hex(8)

    async def listen(self, bus: EventBus) -> None:
        """Hear the others from now on."""
        await bus.listen(subjects.LIMITS_SPENT, self.heard)

    def heard(self, _subject: str, payload: bytes) -> None:
        """One of the processes tells, this one among them."""
        try:
            teller, told = decode(payload)
        except ValueError as error:
            LOG.warning("limits_unreadable", error=str(error))
            return
        if teller == self._me:
            return
        now = self._clock()
        for each in told:
            if isinstance(each, Spent):
                self._limits.spent_elsewhere(each, now)
            elif each.together in self._at_once:
                self._at_once[each.together].heard(teller, each.key, each.count, now)

    def tell(self) -> None:
        """Tell what was let through since the last time, and how many there are."""
        spent, now = self._limits.untold(), self._clock()
        held = [
            Held(together, key, count)
            for together, at_once in self._at_once.items()
            for key, count in at_once.untold(now)
        ]
        # Apart: a process of the version before cannot read what is allowed, and would drop all that comes with it.
        usual: list[Spent | Held] = [*(each for each in spent if not each.allowed), *held]
        for part in (usual, [each for each in spent if each.allowed]):
            for start in range(0, len(part), ENTRIES):
                self._tell(subjects.LIMITS_SPENT, encode(self._me, part[start : start + ENTRIES]))

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain."""
        while not draining.is_set():
            self.tell()
            try:
                async with asyncio.timeout(TELL_SECONDS):
                    await draining.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """When all sessions are over: the others need not wait until what was said of them is forgotten."""
        self.tell()
