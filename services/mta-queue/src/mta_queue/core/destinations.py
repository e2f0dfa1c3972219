"""Domains and addresses as they stand in a forward-path."""

from mailproto.smtp.address import AddressInvalid, ascii_domain


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
