"""Which addresses we connect to at all."""

from ipaddress import ip_address

from mailproto.smtp.address import AddressInvalid, ascii_domain


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, multicast, reserved: an MX must not lead inside (SSRF)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    return parsed.is_global and not parsed.is_multicast


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
