"""Letters from the bus, one by one, of packs too.

A pack is acknowledged when each of its letters is settled. Where one is to come again, the whole pack does; this
process then leaves out those that it has settled. Another process does not know them: what it does with a letter must
be idempotent, as it must be for a redelivery of any kind.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import Protocol

from spool.codec import Malformed
from spool.pack import LETTERS, unpack

# Of how many packs that are to come again it is remembered what was settled of them.
REMEMBERED = 4096
# How often the bus is told that a pack takes longer, at most.
BEAT_SECONDS = 1.0


class BusLetter(Protocol):
    """A letter from the bus, to be settled once: by `acknowledge` or `retry_later`."""

    @property
    def payload(self) -> bytes:
        """A mailwire.spool.v1.SpooledMessage: see spool.decode."""

    @property
    def deliveries(self) -> int:
        """How often it came, this time included."""

    async def acknowledge(self) -> None:
        """It is settled."""

    async def retry_later(self, delay_seconds: float) -> None:
        """It is to come again."""

    async def keep_working(self) -> None:
        """It takes longer; it is not to come again yet."""


class BusMessage(BusLetter, Protocol):
    """As the bus has it: a letter, or a pack of them."""

    @property
    def sequence(self) -> int:
        """Its place in the stream."""


class Source(Protocol):
    """Where they come from."""

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusMessage]:
        """What has come, at most `limit`."""


class Unpacking:
    """Letters of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # By the pack's place in the stream: its octets' digest, and the positions of what was settled. A stream that
        # was lost and made again gives the same places to other packs.
        self._settled: dict[int, tuple[bytes, frozenset[int]]] = {}

    async def fetch(self, limit: int, wait_seconds: float) -> list[BusLetter]:
        """At most `limit` letters that have come (more only where one pack holds more); waits for the first one."""
        letters: list[BusLetter] = []
        while not letters or len(letters) + LETTERS <= limit:
            room = max(1, (limit - len(letters)) // LETTERS)
            messages = await self._source.fetch(room, 0.0 if letters else wait_seconds)
            if not messages:
                break
            for message in messages:
                letters += self._letters(message)
        return letters

    def _letters(self, message: BusMessage) -> Sequence[BusLetter]:
        try:
            payloads = unpack(message.payload)
        except Malformed:
            # As it is, it is no spooled message either: who decodes it puts it aside.
            return (message,)
        if len(payloads) < 2:
            return (message,)
        settled = self._settled_of(message)
        shared = _Pack(self, message, len(payloads), settled)
        return [Letter(shared, at, payload) for at, payload in enumerate(payloads) if at not in settled]

    def _settled_of(self, message: BusMessage) -> frozenset[int]:
        digest, settled = self._settled.pop(message.sequence, (b"", frozenset[int]()))
        return settled if digest and digest == _digest(message.payload) else frozenset()

    def remember(self, message: BusMessage, settled: frozenset[int]) -> None:
        """A pack comes again; this of it is settled."""
        self._settled[message.sequence] = _digest(message.payload), settled
        if len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


class _Pack:
    """What its letters share. Each counts once, whatever is said of it how often: too early an end would lose the others."""

    __slots__ = ("_beat_at", "_delay", "_letters", "_message", "_open", "_owner", "_settled")

    def __init__(self, owner: Unpacking, message: BusMessage, letters: int, settled: frozenset[int]) -> None:
        self._owner = owner
        self._message = message
        self._letters = letters
        self._settled = set(settled)
        # Nothing was said of these yet.
        self._open = set(range(letters)) - settled
        self._delay: float | None = None
        self._beat_at = 0.0

    @property
    def deliveries(self) -> int:
        return self._message.deliveries

    async def settle(self, position: int) -> None:
        self._settled.add(position)
        await self._heard(position)

    async def again(self, position: int, delay_seconds: float) -> None:
        if position in self._open:
            self._delay = delay_seconds if self._delay is None else min(self._delay, delay_seconds)
        await self._heard(position)

    async def _heard(self, position: int) -> None:
        if position not in self._open:
            return
        self._open.remove(position)
        if self._open:
            return
        if self._delay is None or len(self._settled) == self._letters:
            await self._message.acknowledge()
        else:
            self._owner.remember(self._message, frozenset(self._settled))
            await self._message.retry_later(self._delay)

    async def keep_working(self) -> None:
        if (now := time.monotonic()) - self._beat_at >= BEAT_SECONDS:
            self._beat_at = now
            await self._message.keep_working()


class Letter:
    """One of a pack, to be settled once."""

    __slots__ = ("_pack", "_position", "payload")

    def __init__(self, pack: _Pack, position: int, payload: bytes) -> None:
        self._pack = pack
        self._position = position
        self.payload = payload

    @property
    def deliveries(self) -> int:
        """How often it came, this time included."""
        return self._pack.deliveries

    async def acknowledge(self) -> None:
        """It is settled."""
        await self._pack.settle(self._position)

    async def retry_later(self, delay_seconds: float) -> None:
        """It is not settled; let it come again after the delay, or earlier with another one of its pack."""
        await self._pack.again(self._position, delay_seconds)

    async def keep_working(self) -> None:
        """It takes longer."""
        await self._pack.keep_working()
