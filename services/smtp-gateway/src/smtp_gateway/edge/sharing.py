"""Rates shared between the gateway's processes: each tells the others once a second what it let through.

By core NATS, not a key-value store: a look-up for each command would cost more than a message is worth, and what is
lost or late (a second's use, or what was told while NATS was away) only lets somebody have a little more. Numbers at
once are counted in each process.
"""

import asyncio
import json
import secrets
from collections.abc import Callable

from eventbus import EventBus, subjects
from servicekit import logs

from smtp_gateway.core.limits import Limited, Limits, Spent

LOG = logs.logger("smtp_gateway.sharing")
TELL_SECONDS = 1.0
ENTRIES = 1000
KEY_CHARACTERS = 100
AMOUNT_MOST = 1_000_000
ALLOWED_MOST = 1 << 32


def encode(teller: str, spent: list[Spent]) -> bytes:
    """What is told."""
    return json.dumps([teller, [_entry(each) for each in spent]]).encode()


def _entry(spent: Spent) -> list[str | int]:
    entry: list[str | int] = [spent.limited.value, spent.key, spent.amount]
    return [*entry, spent.allowed] if spent.allowed else entry


def decode(payload: bytes) -> tuple[str, list[Spent]]:
    """Who tells what. Raises ValueError on what is nothing of ours; limits that are not known here are left out."""
    try:
        teller, entries = json.loads(payload)
        known = {limited.value: limited for limited in Limited}
        spent = [
            Spent(
                known[name],
                str(key)[:KEY_CHARACTERS],
                min(max(int(amount), 0), AMOUNT_MOST),
                min(max(int(allowed[0]), 0), ALLOWED_MOST) if allowed else 0,
            )
            for name, key, amount, *allowed in entries[:ENTRIES]
            if name in known
        ]
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("that is no use of limits") from error
    return str(teller), spent


class Sharing:
    """One process among others."""

    def __init__(
        self, limits: Limits, tell: Callable[[str, bytes], None], clock: Callable[[], float]
    ) -> None:
        self._limits = limits
        self._tell = tell
        self._clock = clock
        self._me = secrets.token_hex(8)

    async def listen(self, bus: EventBus) -> None:
        """Hear the others from now on."""
        await bus.listen(subjects.LIMITS_SPENT, self.heard)

    def heard(self, _subject: str, payload: bytes) -> None:
        """One of the processes tells, this one among them."""
        try:
            teller, spent = decode(payload)
        except ValueError as error:
            LOG.warning("limits_unreadable", error=str(error))
            return
        if teller == self._me:
            return
        now = self._clock()
        for each in spent:
            self._limits.spent_elsewhere(each, now)

    def tell(self) -> None:
        """Tell what was let through since the last time."""
        spent = self._limits.untold()
        # Apart: a process of the version before cannot read what is allowed, and would drop all that comes with it.
        for part in ([each for each in spent if not each.allowed], [each for each in spent if each.allowed]):
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
