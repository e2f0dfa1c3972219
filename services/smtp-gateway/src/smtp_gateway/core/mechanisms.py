"""What AUTH offers."""

from typing import Literal

from mailproto.sasl import BEARER_MECHANISMS, EXTERNAL, MECHANISMS
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
