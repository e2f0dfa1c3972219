"""Where a connection comes from: an address of ours, or a proxy; sources in pools, which routes name."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from ipaddress import ip_address
from urllib.parse import urlsplit

# Twice as many each day: after so many days there is no limit.
WARMUP_DAYS = 20


class SourceInvalid(ValueError):
    """This is no source; the text says what is wrong."""


class ProxyKind(Enum):
    """How a proxy is told where to connect to."""

    # RFC 1928
    SOCKS5 = "socks5"
    # The PROXY protocol, version 2: HAProxy with `accept-proxy`, a transparent `source` and the destination it is told.
    HAPROXY = "haproxy"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it is."""

    kind: ProxyKind
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Source:
    """One of a pool. `address` "" is whichever the system takes; the password is sealed."""

    pool: str
    address: str = ""
    proxy: str = ""
    username: str = ""
    password_sealed: bytes = b""
    hello: str = ""
    weight: int = 1
    warmup_first: int = 0
    warmup_began: date | None = None
    # At once, over all processes, whichever pools it is in; 0: no limit of its own.
    attempts_most: int = 0

    @property
    def name(self) -> str:
        """What is counted of it: the same address by another proxy is another source."""
        return f"{self.address} {self.proxy}"

    def limit_on(self, day: date) -> int | None:
        """Messages on this day; None for no limit."""
        if not self.warmup_first or self.warmup_began is None:
            return None
        days = (day - self.warmup_began).days
        if days >= WARMUP_DAYS:
            return None
        return self.warmup_first << max(0, days)

    def reaches(self, destination: str) -> bool:
        """Whether it is of the destination's family; who has no address of his own has both."""
        return not self.address or ip_address(self.address).version == ip_address(destination).version


def in_turn(sources: Sequence[Source], destination: str, chance: random.Random) -> list[Source]:
    """Those that reach it, in an order drawn by weight: the first is tried first."""
    left = [each for each in sources if each.reaches(destination) and each.weight > 0]
    drawn: list[Source] = []
    while left:
        [picked] = chance.choices(left, weights=[each.weight for each in left])
        drawn.append(picked)
        left.remove(picked)
    return drawn


def parse_proxy(text: str) -> Proxy | None:
    """None for none. Raises SourceInvalid."""
    if not text:
        return None
    try:
        parts = urlsplit(text)
        kind, port = ProxyKind(parts.scheme), parts.port
    except ValueError as error:
        raise SourceInvalid(f"{text!r} is not socks5://host:port or haproxy://host:port") from error
    if not parts.hostname or port is None or parts.username is not None or parts.path not in ("", "/"):
        raise SourceInvalid(f"{text!r} is not {kind.value}://host:port")
    return Proxy(kind, parts.hostname, port)


def check_source(source: Source) -> None:
    """Raises SourceInvalid."""
    proxy = parse_proxy(source.proxy)
    if source.address:
        try:
            ip_address(source.address)
        except ValueError as error:
            raise SourceInvalid(f"{source.address!r} is no address") from error
    elif proxy is not None and proxy.kind is ProxyKind.HAPROXY:
        raise SourceInvalid("HAProxy must be told which address to send from")
    if not source.pool or not source.pool.isprintable() or len(source.pool) > 100:
        raise SourceInvalid("a pool has a name of at most 100 characters")
    if source.username and (proxy is None or proxy.kind is not ProxyKind.SOCKS5):
        raise SourceInvalid("a username is for a SOCKS5 proxy")
    if not 0 <= source.weight <= 1000 or not 0 <= source.warmup_first <= 10**6:
        raise SourceInvalid("a weight is 0 to 1000, a first day has up to a million messages")
    if not 0 <= source.attempts_most <= 10**6:
        raise SourceInvalid("attempts at once are a number up to a million; 0 for no limit")
