"""A client's address in one form."""

from ipaddress import IPv4Address, IPv6Address, ip_address


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 one also where it came mapped into IPv6 (RFC 4291 §2.5.5.2); None for what is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def canonical(text: str) -> str:
    """An address as text; "" for what is none."""
    address = parse(text)
    return "" if address is None else str(address)
