"""Which clients count as one: those of one prefix."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

# Of what is held against a client, whatever limits count by: one IPv4 address, one IPv6 network of a customer.
V4_BITS, V6_BITS = 32, 64


def network_of(host: str, v4_bits: int = V4_BITS, v6_bits: int = V6_BITS) -> IPv4Network | IPv6Network | None:
    """The network that a client's address counts as; None for what is no address."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    bits = v4_bits if mapped.version == 4 else v6_bits
    return ip_network((mapped.packed, bits), strict=False)


def prefix_of(host: str, v4_bits: int = V4_BITS, v6_bits: int = V6_BITS) -> str:
    """The same as text; what is no address stands for itself."""
    return str(network_of(host, v4_bits, v6_bits) or host)
