"""How we ask DNS: MX, addresses, TXT, PTR and TLSA, with a cache, deadlines and DNSSEC's word where it counts."""

from dnslookup.answers import (
    DnsUnavailable,
    HostAddresses,
    MailHost,
    MailRoute,
    NoSuchDomain,
    NullMx,
    parse_servers,
)
from dnslookup.resolver import Resolver

__all__ = [
    "DnsUnavailable",
    "HostAddresses",
    "MailHost",
    "MailRoute",
    "NoSuchDomain",
    "NullMx",
    "Resolver",
    "parse_servers",
]
