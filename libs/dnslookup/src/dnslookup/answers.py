"""What DNS can say of a domain's mail."""

from dataclasses import dataclass
from typing import Any


class NoSuchDomain(Exception):
    """The name does not exist, or has neither MX nor address: no mail can ever go there."""


class NullMx(Exception):
    """The domain says that it takes no mail (RFC 7505)."""


class DnsUnavailable(Exception):
    """No answer, or a server that failed: asking again later may help."""


@dataclass(frozen=True, slots=True)
class MailHost:
    """A host that takes a domain's mail. `is_implicit`: the domain itself, for want of an MX (RFC 5321 §5.1)."""

    name: str
    preference: int
    is_implicit: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Records of one kind. `canonical_name` is where CNAMEs led, `is_authenticated` what DNSSEC says of all of it."""

    records: tuple[Any, ...]
    is_authenticated: bool
    canonical_name: str


@dataclass(frozen=True, slots=True)
class MailRoute:
    """A domain's hosts, best first. The fields are those of `Found`, for its MX."""

    hosts: tuple[MailHost, ...]
    is_authenticated: bool
    canonical_name: str


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """A host's addresses, IPv4 first. The fields are those of `Found`, for both kinds together."""

    addresses: tuple[str, ...]
    is_authenticated: bool
    canonical_name: str


def parse_servers(text: str) -> list[tuple[str, int]]:
    """`127.0.0.1:5353,[::1]:53` as pairs; without a port 53. Raises ValueError."""
    servers = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, colon, port = item.rpartition(":")
        if not colon or (item.count(":") > 1 and not item.startswith("[")):
            host, port = item, "53"
        servers.append((host.strip("[]"), int(port)))
    return servers
