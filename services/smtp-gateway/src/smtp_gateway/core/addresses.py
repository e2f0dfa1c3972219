"""Addresses of clients as numbers. Each is asked about many times in a session, so the last ones are remembered."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

REMEMBERED = 8192


@lru_cache(REMEMBERED)
def parsed(host: str) -> IPv4Address | IPv6Address | None:
    """None for what is no address; an IPv4 address within IPv6 is what it is."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
