"""Where the operator sends a domain's mail instead of to its MX: `host`, `host:port`, `address:port`, `[v6]:port`."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9_-]{0,62})(\.[a-z0-9][a-z0-9_-]{0,62})*\.?", re.IGNORECASE)


class RouteInvalid(ValueError):
    """This is no host and port; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Route:
    """A host name or address, and a port (None: the usual one)."""

    host: str
    port: int | None

    @property
    def text(self) -> str:
        """As `parse_route` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_route(text: str) -> Route:
    """Raises RouteInvalid."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        try:
            IPv6Address(host)
        except ValueError as error:
            raise RouteInvalid(f"{host!r} is no IPv6 address") from error
        if not bracket or (rest and not rest.startswith(":")):
            raise RouteInvalid(f"{text!r} is not [address] or [address]:port")
        return Route(host, _port(rest[1:]) if rest else None)
    host, colon, port = text.partition(":")
    if not NAME.fullmatch(host):
        raise RouteInvalid(f"{host!r} is no host name; an IPv6 address stands in brackets")
    return Route(host.lower(), _port(port) if colon else None)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise RouteInvalid(f"{text!r} is no port")
    return int(text)
