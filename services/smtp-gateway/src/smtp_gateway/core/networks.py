"""Lists of addresses that are trusted with something: single ones, or networks."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network

from smtp_gateway.core.addresses import REMEMBERED, parsed


class Networks:
    """`address in networks`. Raises ValueError on what is no network."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = [ip_network(text) for text in texts]
        self._holds = lru_cache(REMEMBERED)(self._look)

    def __contains__(self, address: object) -> bool:
        return bool(self._networks) and self._holds(str(address))

    def _look(self, host: str) -> bool:
        address = parsed(host)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def touch(self, text: str) -> bool:
        """Whether a network holds any of these addresses. Raises ValueError on what is no network."""
        other = ip_network(text)
        return any(other.version == network.version and other.overlaps(network) for network in self._networks)
