"""What a destination's hosts must show: DANE's records, the MTA-STS policy, the rule for it, as one demand for each host.

DANE (RFC 7672) applies where DNSSEC vouches for the MX records and for the host's addresses:

- the names that may have TLSA records are the host's canonical one, where every CNAME on the way is authenticated, and the
  host's own (§2.2.2); the first that has some is the one that is asked for in SNI;
- records that can be used: the certificate must match one (§3.1); records of which none can be used: TLS, unverified (§2.2);
- no answer for them: the host gets nothing now (§2.1.3), for this is what an attacker would do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from dnslookup import DnsUnavailable, HostAddresses, MailRoute, Resolver
from senderauth.mtasts import StsMode, StsPolicy
from senderauth.tlsa import parse_record, record_name

from mta_queue.core.tls import (
    Demand,
    Fault,
    Level,
    Minimum,
    PolicyKind,
    Published,
    at_least,
    trusted_on_trial,
)

# A policy may name thousands; each kind of result is kept with it.
HOSTS_SHOWN = 50


class HostRefused(Exception):
    """This host gets nothing now; `published` and `fault` for the report."""

    def __init__(self, text: str, published: Published, fault: Fault) -> None:
        super().__init__(text)
        self.published = published
        self.fault = fault


@dataclass(frozen=True, slots=True)
class StsFailed:
    """No policy could be had where there should be one."""

    fault: Fault
    text: str


StsLookup = Callable[[str], Awaitable[StsPolicy | StsFailed | None]]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where mail for a domain goes, and what is known before a host is looked at. `names`: RFC 7672 §3.2.2."""

    domain: str
    is_authenticated: bool
    names: tuple[str, ...]
    minimum: Minimum
    sts: StsPolicy | StsFailed | None = None
    # The sender prefers that it arrives (RFC 8689 §5: TLS-Required: No), or it is a report about TLS (RFC 8460 §3).
    is_lenient: bool = False


async def of_domain(
    domain: str, route: MailRoute, minimum: Minimum, sts: StsLookup | None, *, is_lenient: bool
) -> Destination:
    """Of a domain with MX records, or without."""
    policy = await sts(domain) if sts is not None and not is_lenient else None
    return Destination(
        domain, route.is_authenticated, (domain, route.canonical_name), minimum, policy, is_lenient
    )


def vouches(destination: Destination, host: str) -> bool:
    """Whether the host's name can be believed, as REQUIRETLS wants it (RFC 8689 §4.2.1): by DNSSEC, by an MTA-STS
    policy, or because it is the domain's own.
    """
    if destination.is_authenticated or host.rstrip(".").lower() == destination.domain.lower():
        return True
    policy = destination.sts
    return isinstance(policy, StsPolicy) and policy.mode is not StsMode.NONE and policy.allows(host)


async def of_host(
    resolver: Resolver, destination: Destination, host: str, port: int, addresses: HostAddresses
) -> Demand:
    """What this host must show. Raises HostRefused."""
    base = at_least(destination.minimum, host, Published(PolicyKind.NONE, destination.domain))
    if destination.is_lenient:
        return replace(base, published=None)
    if destination.is_authenticated and (
        demand := await _dane(resolver, destination, host, port, addresses, base)
    ):
        return demand
    policy = destination.sts
    if not isinstance(policy, StsPolicy) or policy.mode is StsMode.NONE:
        return base
    published = published_sts(destination.domain, policy)
    if not policy.allows(host):
        if policy.mode is StsMode.ENFORCE:
            text = f"{host} is not a host that the MTA-STS policy of {destination.domain} names"
            raise HostRefused(text, published, Fault.VALIDATION_FAILURE)
        return replace(base, published=published, known_fault=Fault.VALIDATION_FAILURE)
    if policy.mode is StsMode.ENFORCE:
        return Demand(Level.VERIFIED, host, published)
    return trusted_on_trial(base, host, published)


async def _dane(
    resolver: Resolver,
    destination: Destination,
    host: str,
    port: int,
    addresses: HostAddresses,
    base: Demand,
) -> Demand | None:
    """None where DANE does not apply."""
    try:
        bases = await _bases(resolver, host, addresses)
        for name in bases:
            texts = await resolver.authenticated(record_name(name, port), "TLSA")
            if texts:
                break
        else:
            return None
    except DnsUnavailable as error:
        published = Published(PolicyKind.TLSA, destination.domain)
        text = f"it cannot be told what TLS {host} must show: {error}"
        raise HostRefused(text, published, Fault.DNSSEC_INVALID) from error
    published = Published(PolicyKind.TLSA, destination.domain, tuple(sorted(texts)), (host,))
    records = tuple(record for text in texts if (record := parse_record(text)) is not None)
    if not records:
        level = max(Level.ENCRYPTED, base.level)
        return Demand(level, host if level is Level.VERIFIED else name, published)
    names = tuple(dict.fromkeys((name, host, *destination.names)))
    return Demand(Level.DANE, name, published, records, names)


async def _bases(resolver: Resolver, host: str, addresses: HostAddresses) -> list[str]:
    """The TLSA base domains to ask for, best first (RFC 7672 §2.2.2)."""
    name = host.rstrip(".").lower()
    if addresses.canonical_name == name:
        return [name] if addresses.is_authenticated else []
    if addresses.is_authenticated:
        return [addresses.canonical_name, name]
    # The alias leads out of the signed world, but may itself be vouched for.
    return [name] if await resolver.authenticated(name, "CNAME") else []


def published_sts(domain: str, policy: StsPolicy) -> Published:
    """An MTA-STS policy as reports show it (RFC 8460 §4.2: its lines)."""
    lines = (
        "version: STSv1",
        f"mode: {policy.mode.value}",
        *(f"mx: {host}" for host in policy.hosts[:HOSTS_SHOWN]),
        f"max_age: {policy.max_age_seconds}",
    )
    return Published(PolicyKind.STS, domain, lines, policy.hosts[:HOSTS_SHOWN])
