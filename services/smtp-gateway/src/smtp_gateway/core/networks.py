"""Lists of addresses that are trusted with something: single ones, or networks."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network


class Networks:
    """`address in networks`. Raises ValueError on what is no network."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = [ip_network(text) for text in texts]

    def __contains__(self, address: object) -> bool:
        try:
            parsed = ip_address(str(address))
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed.version == network.version and parsed in network for network in self._networks)

    def touch(self, text: str) -> bool:
        """Whether a network holds any of these addresses. Raises ValueError on what is no network."""
        other = ip_network(text)
        return any(other.version == network.version and other.overlaps(network) for network in self._networks)
