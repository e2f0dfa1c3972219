"""What all sessions of a process share of who is let in. What is None is not looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.remembering import Remembering
from smtp_gateway.edge.suspending import Suspending


@dataclass(frozen=True, slots=True, kw_only=True)
class Screens:
    """`pause` waits so many seconds."""

    banning: Banning
    suspending: Suspending | None = None
    remembering: Remembering | None = None
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
