"""Greylisting (RFC 6647): a client that nobody knows is asked to come again, which who sends for a living does and who floods
does not.

A first attempt is (tenant, network of the client, sender, recipient). Whoever comes back after the wait is known from
then on by (tenant, network, domain of the sender). A domain is known when one of its clients came back and SPF
spoke for it: its other clients are let in where SPF speaks for them. Keys are digests: no ledger says who writes to whom.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from smtp_gateway.core.prefixes import prefix_of

# Large senders try again from another address of their network.
V4_BITS, V6_BITS = 24, 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """MAIL and RCPT of a client. `sender` without angle brackets, "" for the null one."""

    tenant_id: str
    client: str
    sender: str
    recipient: str

    @property
    def domain(self) -> str:
        """The sender's, "" for the null sender."""
        return self.sender.rpartition("@")[2].lower()

    @property
    def seen_key(self) -> str:
        """Of this first attempt."""
        return _digest("seen", self.tenant_id, self._network, self.sender.lower(), self.recipient.lower())

    @property
    def known_key(self) -> str:
        """Of a client that came back."""
        return _digest("known", self.tenant_id, self._network, self.domain)

    @property
    def domain_key(self) -> str:
        """Of a domain for which SPF spoke when a client of it came back."""
        return _digest("domain", self.domain)

    @property
    def _network(self) -> str:
        return prefix_of(self.client, V4_BITS, V6_BITS)


class Came(Enum):
    """How an attempt stands to the first one."""

    FIRST = "first"
    TOO_SOON = "too_soon"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Patience:
    """Who comes again earlier than `wait_seconds` waits on; later than `window_seconds` begins anew."""

    wait_seconds: float
    window_seconds: float

    def came(self, first_at: float | None, now: float) -> Came:
        """Seconds since 1970."""
        if first_at is None or not 0 <= now - first_at <= self.window_seconds:
            return Came.FIRST
        return Came.BACK if now - first_at >= self.wait_seconds else Came.TOO_SOON


def _digest(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
