"""What an address of a peer says of it."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# NAT64 (RFC 6052 §2.1): whoever runs such a gateway leads from here to any IPv4 address, its own network's too.
NAT64 = ip_network("64:ff9b::/96")
# What older tables of the standard library take for public: protocol assignments (RFC 6890), NAT64 of one's own
# (RFC 8215), addresses that stand for IPv4 ones (RFC 4291 §2.5.5.1) or for a site (RFC 3879), documentation (RFC 9637).
CLOSED = tuple(
    map(
        ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "::/96", "fec0::/10", "3fff::/20", "5f00::/16"),
    )
)


def is_loopback(host: str) -> bool:
    """Whether the peer is on this machine; IPv4 within IPv6 and zones count too, what is no address does not."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, multicast, reserved, and for what is no address.

    What a stranger names (an MX, a web server) must not lead inside (SSRF). An IPv6 address that a gateway turns into an
    IPv4 one is as public as that.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and (inner := reached(parsed)) is not None:
        parsed = inner
    closed = any(parsed.version == each.version and parsed in each for each in CLOSED)
    return parsed.is_global and not parsed.is_multicast and not closed


def reached(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that it stands for: mapped, by NAT64, by 6to4 (RFC 3056)."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
