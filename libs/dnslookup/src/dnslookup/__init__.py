"""How we ask DNS: MX, addresses, TXT and PTR, with a cache and deadlines."""

from dnslookup.answers import DnsUnavailable, MailHost, NoSuchDomain, NullMx, parse_servers
from dnslookup.resolver import Resolver

__all__ = ["DnsUnavailable", "MailHost", "NoSuchDomain", "NullMx", "Resolver", "parse_servers"]
