"""How many connections one address may have to this process: one client's mistake is not to shut out the others.

An address is one of IPv4, or a /64 of IPv6. Connections of the same machine are those of proxies, webmail and the like, that
speak for many; they are not counted.
"""

from ipaddress import IPv6Address, ip_address, ip_network

V6_BITS = 64
TOO_MANY = b"* BYE Too many connections from your address\r\n"


class Crowd:
    """Who is here. `most` 0: any number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._here: dict[str, int] = {}

    def enter(self, peer_host: str) -> bool:
        """False where there are too many; who is let in has to leave."""
        place = _place(peer_host)
        if place is None or not self._most:
            return True
        count = self._here.get(place, 0)
        if count >= self._most:
            return False
        self._here[place] = count + 1
        return True

    def leave(self, peer_host: str) -> None:
        """One less."""
        place = _place(peer_host)
        if place is None or not self._most:
            return
        left = self._here[place] - 1
        if left:
            self._here[place] = left
        else:
            del self._here[place]


def _place(peer_host: str) -> str | None:
    """None for what is not counted."""
    try:
        address = ip_address(peer_host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # What a socket of both families calls somebody with an address of IPv4.
        address = address.ipv4_mapped
    if address.is_loopback:
        return None
    return str(address) if address.version == 4 else str(ip_network((address, V6_BITS), strict=False))
