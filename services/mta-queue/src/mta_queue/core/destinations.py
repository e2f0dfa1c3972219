"""Which addresses we connect to at all."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from mailproto.smtp.address import AddressInvalid, ascii_domain

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


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, multicast, reserved: an MX must not lead inside (SSRF).

    An IPv6 address that a gateway turns into an IPv4 one is as public as that.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and (inner := _inner(parsed)) is not None:
        parsed = inner
    closed = any(parsed.version == each.version and parsed in each for each in CLOSED)
    return parsed.is_global and not parsed.is_multicast and not closed


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that it stands for: mapped, by NAT64, by 6to4 (RFC 3056)."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def domain_of(address: str) -> str:
    """The domain of a forward-path as DNS knows it, in lower case."""
    domain = address.rpartition("@")[2]
    try:
        return ascii_domain(domain)
    except AddressInvalid:
        return domain.lower()


def literal_of(domain: str) -> str | None:
    """The address in an address literal (RFC 5321 §4.1.3), or None for a name."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inner = domain[1:-1]
    return inner[5:] if inner.lower().startswith("ipv6:") else inner
