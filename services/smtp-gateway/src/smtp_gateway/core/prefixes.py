"""Which clients count as one: those of one prefix."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from smtp_gateway.core.addresses import REMEMBERED, parsed

# Of what is held against a client, whatever limits count by: one IPv4 address, one IPv6 network of a customer.
V4_BITS, V6_BITS = 32, 64


def network_of(host: str, v4_bits: int = V4_BITS, v6_bits: int = V6_BITS) -> IPv4Network | IPv6Network | None:
    """The network that a client's address counts as; None for what is no address."""
    address = parsed(host)
    if address is None:
        return None
    return ip_network((address.packed, v4_bits if address.version == 4 else v6_bits), strict=False)


@lru_cache(REMEMBERED)
def prefix_of(host: str, v4_bits: int = V4_BITS, v6_bits: int = V6_BITS) -> str:
    """The same as text; what is no address stands for itself."""
    return str(network_of(host, v4_bits, v6_bits) or host)
