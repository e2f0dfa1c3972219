"""An item whose recipients each get a copy of their own (`spool.OwnCopies`): one transaction for each, several at once.

What became of a copy is written down before whoever sent it sends the next, so a process that dies has sent no more in vain
than it had under way; what others have finished meanwhile is written with it. The item stays under its lease, and has its
turn again with those who are left.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime

from mailproto.smtp.reply import Reply

from mta_queue.core.attempt import Delivery
from mta_queue.core.outcome import Outcome, Verdict, all_alike, is_of_the_system
from mta_queue.ports import Item, Part

NEXT = Reply.of(451, "4.3.0", "It comes after others of this domain")


class Copies:
    """The attempt for one item. `send` makes one copy, `write` says whether the lease was still held."""

    def __init__(
        self,
        item: Item,
        send: Callable[[str], Awaitable[Delivery]],
        write: Callable[[Part], Awaitable[bool]],
        kept_until: Callable[[], datetime],
        draining: asyncio.Event,
    ) -> None:
        self._send = send
        self._write = write
        self._kept_until = kept_until
        self._draining = draining
        self._rest = deque(item.recipients)
        self._under_way: dict[str, None] = {}
        self._done: list[Delivery] = []
        self._waiting: list[Outcome] = []
        self._writing = asyncio.Lock()
        self._is_lost = False
        self._faults: list[Exception] = []
        # Of a system that is not there, or has had enough: the others need not be tried.
        self._unwell: Delivery | None = None

    async def attempt(self, places: int) -> Delivery | None:
        """What is still to be written down; None: nothing. Raises what `send` and `write` raise."""
        await asyncio.gather(*(self._work() for _ in range(places)))
        if self._is_lost:
            return None
        if self._faults:
            raise self._faults[0]
        rest = tuple(self._rest)
        if rest and self._unwell is None:
            # The drain: somebody else goes on.
            await self._write(self._part([], kept_until=None))
            return None
        dead_until = None
        if self._unwell is not None:
            said = self._unwell.outcomes[0]
            dead_until = self._unwell.dead_until
            self._waiting += all_alike(rest, said.reply, said.host)
        return Delivery(self._waiting, [], dead_until) if self._waiting else None

    async def _work(self) -> None:
        while self._rest and not (
            self._is_lost or self._faults or self._unwell is not None or self._draining.is_set()
        ):
            address = self._rest.popleft()
            self._under_way[address] = None
            try:
                made = await self._send(address)
                del self._under_way[address]
                self._done.append(made)
                if any(
                    each.verdict is Verdict.DEFERRED and is_of_the_system(each.reply)
                    for each in made.outcomes
                ):
                    self._unwell = made
                async with self._writing:
                    await self._write_done()
            except Exception as error:
                # Not raised yet: a copy that another is sending must not be broken off.
                if self._under_way.pop(address, address) is None:
                    self._rest.appendleft(address)
                self._faults.append(error)

    async def _write_done(self) -> None:
        if not self._done or self._is_lost:
            return
        done, self._done = self._done, []
        waited = len(self._waiting)
        self._waiting += [each for made in done for each in made.outcomes if each.verdict is Verdict.DEFERRED]
        try:
            self._is_lost = not await self._write(self._part(done, kept_until=self._kept_until()))
        except Exception:
            # It stands in what another writes yet: who is neither settled nor waiting would be nowhere.
            del self._waiting[waited:]
            self._done = done + self._done
            raise

    def _part(self, done: list[Delivery], *, kept_until: datetime | None) -> Part:
        others = all_alike((*self._under_way, *self._rest), NEXT)
        return Part(
            settled=[each for made in done for each in made.outcomes if each.verdict is not Verdict.DEFERRED],
            waiting=[*self._waiting, *others],
            attempts=[attempt for made in done for attempt in made.attempts],
            kept_until=kept_until,
        )
