"""Where a password may be sent without TLS."""

from __future__ import annotations

from typing import Literal

from mailproto.pop3.states import PasswordRule
from servicekit.addresses import is_loopback


def password_rule(policy: Literal["never", "loopback"], peer_host: str) -> PasswordRule:
    """What holds for a client at this address."""
    if policy == "loopback" and is_loopback(peer_host):
        return PasswordRule.PLAINTEXT_ALLOWED
    return PasswordRule.NEEDS_TLS
