"""Five days of retries in virtual time: seeded, so that every run is the same one."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.core.attempt import Attempt, Delivery
from mta_queue.core.outcome import Outcome, Verdict, all_alike
from mta_queue.core.shaping import OPEN, Passage
from mta_queue.edge.laters import Laters
from mta_queue.ports import Item, Taken
from spool import SpooledLetter

from tests.support.virtual import BEGINNING, VirtualLoop
from tests.unit.mta_queue.test_working import LATER, OK, World, item

MESSAGES = 20
END = BEGINNING + timedelta(days=5)


class FiveDays(World):
    """A table that goes by the clock; what a domain says is drawn anew for each attempt."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        super().__init__()
        self.loop = loop
        self.chance = random.Random(seed)
        self.waiting = [
            (
                BEGINNING,
                replace(item(f"d{number}.test", END), expires_at=END, attempts=0),
            )
            for number in range(MESSAGES)
        ]
        self.attempts_at: dict[str, list[datetime]] = {}
        self.ended: dict[str, tuple[datetime, Outcome]] = {}
        world = cast(Any, self)
        self.laters = Laters(
            world,
            world,
            self.laters._attempts,
            self.slots,
            self.current,
            self.draining,
            lease_seconds=3600.0,
            poll_seconds=180.0,
            clock=loop.now,
            chance=random.Random(seed + 1),
        )

    async def take(self, room: int, *_: object) -> Taken | None:
        if len(self.ended) == MESSAGES:
            self.draining.set()
        now = self.loop.now()
        due = sorted((each for each in self.waiting if each[0] <= now), key=lambda each: each[1].domain)[
            :room
        ]
        self.waiting = [each for each in self.waiting if each not in due]
        return Taken([each for _, each in due], False, False, 0)

    async def deliver(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str = "",
        passage: Passage = OPEN,
    ) -> Delivery:
        self.attempts_at.setdefault(domain, []).append(self.loop.now())
        await asyncio.sleep(self.chance.uniform(0.1, 30.0))
        # d0 to d4 never answer well; of the others one attempt in twenty is taken, one in two hundred refused.
        lot = 1.0 if int(domain[1:-5]) < 5 else self.chance.random()
        reply = OK if lot < 0.05 else Reply.of(550, "5.1.1", "nobody") if lot < 0.055 else LATER
        return Delivery(all_alike(recipients, reply, "mx"), [])

    async def record_retry(
        self,
        item: Item,
        settled: Sequence[Outcome],
        waiting: Sequence[Outcome],
        next_attempt_at: datetime | None,
        attempts: Sequence[Attempt],
    ) -> bool:
        if settled:
            self.ended[item.domain] = self.loop.now(), settled[0]
        else:
            assert next_attempt_at is not None
            self.waiting.append((next_attempt_at, replace(item, attempts=item.attempts + 1)))
        return True


def live(seed: int) -> FiveDays:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        world = FiveDays(cast(VirtualLoop, runner.get_loop()), seed)
        runner.run(world.laters.run())
    return world


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_days_of_retries(seed: int) -> None:
    world = live(seed)
    assert len(world.ended) == MESSAGES
    assert world.waiting == []
    fates = Counter(outcome.verdict for _, outcome in world.ended.values())
    assert fates[Verdict.DEFERRED] == 0
    assert fates[Verdict.DELIVERED] > 8
    for number in range(5):
        domain = f"d{number}.test"
        at, outcome = world.ended[domain]
        assert (outcome.verdict, outcome.status) == (Verdict.FAILED, "5.4.7")
        assert END <= at <= END + timedelta(minutes=5), "given up at its end, after a last attempt"
        tried = world.attempts_at[domain]
        waits = [(later - earlier).total_seconds() for earlier, later in pairwise(tried)]
        # 5, 10, 20, 40 minutes, then an hour; up and down by a fifth, found within the three minutes of a poll.
        for wait, wanted in zip(waits, (300, 600, 1200, 2400), strict=False):
            assert wanted * 0.8 <= wait <= wanted * 1.2 + 240
        assert all(wait <= 3600 * 1.2 + 240 for wait in waits)
        assert 100 <= len(tried) <= 155
        assert len({round(wait / 180) for wait in waits[5:]}) >= 5, "not everybody at the same moment"


def test_a_seed_is_a_history() -> None:
    one, again, other = live(7), live(7), live(8)
    assert one.attempts_at == again.attempts_at
    assert one.ended == again.ended
    assert one.attempts_at != other.attempts_at
