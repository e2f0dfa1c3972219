"""What all sessions of a process share of who is let in. What is None is not looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from smtp_gateway.edge.banning import Banning


@dataclass(frozen=True, slots=True)
class Screens:
    """`pause` waits so many seconds."""

    banning: Banning
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
