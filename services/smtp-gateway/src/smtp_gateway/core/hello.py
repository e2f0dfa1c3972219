"""What a client calls itself in EHLO or HELO, held against what can be (RFC 5321 §2.3.5, §4.1.1.1, §4.1.3)."""

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

from senderauth.names import is_qualified_name


class HelloFault(Enum):
    """What is wrong with a name; the value is told."""

    NO_NAME = "neither a qualified domain name nor an address literal"
    OUR_NAME = "our own name"
    OTHER_ADDRESS = "the literal of another address"


def fault_of(name: str, client: str, our_names: frozenset[str]) -> HelloFault | None:
    """None for a name that a client may have. `our_names` in lower case."""
    if name.startswith("["):
        literal = _literal(name)
        if literal is None:
            return HelloFault.NO_NAME
        return None if _is(literal, client) else HelloFault.OTHER_ADDRESS
    lowered = name.lower().removesuffix(".")
    if lowered in our_names:
        return HelloFault.OUR_NAME
    return None if is_qualified_name(lowered) else HelloFault.NO_NAME


def _literal(name: str) -> IPv4Address | IPv6Address | None:
    if not name.endswith("]"):
        return None
    inner = name[1:-1]
    is_v6 = inner[:5].lower() == "ipv6:"
    try:
        address = ip_address(inner[5:] if is_v6 else inner)
    except ValueError:
        return None
    return address if (address.version == 6) is is_v6 else None


def _is(literal: IPv4Address | IPv6Address, client: str) -> bool:
    try:
        address = ip_address(client)
    except ValueError:
        return False
    return literal == (getattr(address, "ipv4_mapped", None) or address)
