"""What AUTH offers."""

from typing import Literal

from mailproto.sasl import MECHANISMS
from mailproto.sasl.scram_exchange import SCRAM_MECHANISMS


def mechanisms(scram: Literal["on", "off"]) -> tuple[bytes, ...]:
    """The best first."""
    return (*SCRAM_MECHANISMS, *MECHANISMS) if scram == "on" else MECHANISMS
