"""What an address of a peer says of it."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether the peer is on this machine; IPv4 within IPv6 and zones count too, what is no address does not."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
