"""What all sessions of a process share of who is let in. What is None is not looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from smtp_gateway.core.lately import Lately
from smtp_gateway.core.networks import Networks
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.greylisting import Greylisting
from smtp_gateway.edge.remembering import Remembering
from smtp_gateway.edge.suspending import Suspending
from smtp_gateway.ports import Blocklists

PATIENT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Screens:
    """`pause` waits so many seconds. Of clients in `exempt` nothing is looked at but bans."""

    banning: Banning
    exempt: Networks
    suspending: Suspending | None = None
    remembering: Remembering | None = None
    blocklists: Blocklists | None = None
    greylisting: Greylisting | None = None
    # Clients that have waited for the greeting lately.
    patient: Lately = field(default_factory=lambda: Lately(PATIENT_SECONDS))
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
