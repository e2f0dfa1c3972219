"""What AUTH offers."""

from __future__ import annotations

from typing import Literal

from mailproto.sasl.bearer import BEARER_MECHANISMS
from mailproto.sasl.exchange import MECHANISMS
from mailproto.sasl.external import EXTERNAL
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, SCRAM_MECHANISMS


def mechanisms(
    scram: Literal["on", "off", "plus"], oauth: Literal["on", "off"], *, certificates: bool
) -> tuple[bytes, ...]:
    """The best first."""
    offered: tuple[bytes, ...] = (EXTERNAL,) if certificates else ()
    if scram != "off":
        offered += BOUND_SCRAM_MECHANISMS if scram == "plus" else SCRAM_MECHANISMS
    if oauth == "on":
        offered += BEARER_MECHANISMS
    return (*offered, *MECHANISMS)
