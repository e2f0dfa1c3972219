"""What all sessions of a process share."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from smtp_gateway.core.budget import Budget
from smtp_gateway.core.networks import Networks
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.checking import Checker
from smtp_gateway.edge.hooking import Hooked
from smtp_gateway.edge.load import Load
from smtp_gateway.edge.rooms import Rooms
from smtp_gateway.edge.screens import Screens
from smtp_gateway.ports import Directory, Expansions, Gate, Health, Judge, KeyRing, Policies, Suppressed
from smtp_gateway.settings import Settings

LOOPBACK = Networks(("127.0.0.0/8", "::1/128"))


@dataclass(frozen=True, slots=True)
class Needs:
    """What all sessions of a process share; `clock` counts seconds and never goes back.

    `proxies` speak the PROXY protocol, always; `introducers` may say XCLIENT. Without a `checker` nobody is asked who
    is speaking, without `signing_keys` nothing is signed, and without `policies` no
    tenant has chosen anything. Without `screens` everybody is let in, without `rooms` no mailbox is known
    to be full, and without a `judge` no content is looked at here.
    """

    settings: Settings
    directory: Directory
    gate: Gate
    health: Health
    budget: Budget
    tls: ssl.SSLContext | None
    proxies: Networks
    introducers: Networks
    controls: Controls
    clock: Callable[[], float] = time.monotonic
    checker: Checker | None = None
    signing_keys: KeyRing | None = None
    policies: Policies | None = None
    # For users, where theirs is another one.
    users_tls: ssl.SSLContext | None = None
    screens: Screens | None = None
    hooks: tuple[Hooked, ...] = ()
    rooms: Rooms | None = None
    judge: Judge | None = None
    # Without it EXPN knows aliases only.
    expansions: Expansions | None = None
    # Without it nobody's mail is refused for the address that it is to.
    suppressed: Suppressed | None = None
    local_mtas: Networks = LOOPBACK
    load: Load = field(default_factory=Load)
    # Tells on the bus what others count; nobody waits for it.
    tell: Callable[[str, bytes], None] | None = None
