"""EXTERNAL (RFC 4422 App. A) as an AUTH exchange of base64 lines: who the client is was said elsewhere, by its TLS
certificate; the exchange only names whom it wants to be.
"""

import binascii
from dataclasses import dataclass

from mailproto.sasl.exchange import Challenge, Fault, text

EXTERNAL = b"EXTERNAL"
IDENTITY_OCTETS = 1_024


@dataclass(frozen=True, slots=True)
class External:
    """Who the client wants to be; "" is whom the certificate names."""

    login: str


class ExternalExchange:
    """One exchange."""

    def first_challenge(self) -> Challenge:
        """For a client that gave no initial response."""
        return Challenge(b"")

    def answer(self, line: bytes) -> External | Fault:
        """The client's next line; `*` cancels, `=` is the empty answer (RFC 5034 §4), and so is an empty line."""
        if line == b"*":
            return Fault.CANCELLED
        try:
            octets = b"" if line == b"=" else binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return Fault.NO_BASE64
        login = text(octets) if len(octets) <= IDENTITY_OCTETS else None
        return Fault.NO_NAME if login is None else External(login)
