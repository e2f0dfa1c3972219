"""Where a password may be sent without TLS."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal

from mailproto.pop3.server import PasswordRule


def password_rule(policy: Literal["never", "loopback"], peer_host: str) -> PasswordRule:
    """What holds for a client at this address."""
    if policy == "loopback" and _is_loopback(peer_host):
        return PasswordRule.PLAINTEXT_ALLOWED
    return PasswordRule.NEEDS_TLS


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
