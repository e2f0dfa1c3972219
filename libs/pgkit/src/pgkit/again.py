"""Transactions that are tried again when PostgreSQL ends a deadlock with them.

Who takes locks in one order everywhere needs none of this; where what is locked follows from what is found, no order can be
kept, and a client would hear of a failure that is nobody's.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from pgkit.errors import Collided

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 4
# So long, or shorter, the other one has time to take what it waited for.
PAUSE_SECONDS = 0.1
_chance = random.SystemRandom()


def again_after_collision(do: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """For what is one transaction from its beginning to its end. Raises Collided after TRIES."""

    @wraps(do)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(TRIES - 1):
            try:
                return await do(*args, **kwargs)
            except Collided:
                await asyncio.sleep(_chance.uniform(PAUSE_SECONDS / 4, PAUSE_SECONDS))
        return await do(*args, **kwargs)

    return call
