"""What TLS a host must show before it gets the mail, and where that wish comes from.

A demand is made before the connection: of the sender's rule for the destination, of DANE (RFC 7672), of MTA-STS (RFC
8461). `fallback` says what is tried where it is not met; without one the host does not get the mail now. DANE, where it
applies to a host, outranks MTA-STS (RFC 8461 §2): a policy fetched over HTTPS never excuses a failure of DANE.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from senderauth.tlsa import TlsaRecord


class Level(IntEnum):
    """How much is asked of a connection; the higher covers the lower."""

    CLEAR = 0
    """No TLS, even where it is offered: after TLS has failed."""
    OPPORTUNISTIC = 1
    """TLS where it is offered, whoever's certificate."""
    ENCRYPTED = 2
    """TLS, whoever's certificate."""
    VERIFIED = 3
    """TLS with a certificate for the host's name from an authority that we trust."""
    DANE = 4
    """TLS with what DNSSEC says of the certificate."""


class Minimum(Enum):
    """What the operator, or a tenant, asks of a destination at least."""

    OPPORTUNISTIC = "opportunistic"
    ENCRYPTED = "encrypted"
    VERIFIED = "verified"

    @property
    def level(self) -> Level:
        """As a level."""
        return Level[self.name]


class Fault(Enum):
    """Why a connection was not as it should be (RFC 8460 §4.3)."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    STS_POLICY_FETCH_ERROR = "sts-policy-fetch-error"
    STS_POLICY_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


class PolicyKind(Enum):
    """What published policy a session was held to (RFC 8460 §4.2)."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


@dataclass(frozen=True, slots=True)
class Published:
    """The policy as a report shows it. `text` are its records or lines, `hosts` an MTA-STS policy's MX patterns."""

    kind: PolicyKind
    domain: str
    text: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What one host must show. `names` are those that a DANE-TA certificate may bear (RFC 7672 §3.2.2)."""

    level: Level
    server_name: str
    published: Published | None = None
    records: tuple[TlsaRecord, ...] = ()
    names: tuple[str, ...] = ()
    fallback: "Demand | None" = None
    # What is wrong already, and no reason not to send (MTA-STS in testing).
    known_fault: Fault | None = None

    @property
    def needs_tls(self) -> bool:
        """Whether there is no mail in clear."""
        return self.level >= Level.ENCRYPTED


def at_least(minimum: Minimum, server_name: str, published: Published | None = None) -> Demand:
    """What a rule asks; where that is nothing much, clear text is better than nothing (RFC 7435)."""
    if minimum.level > Level.OPPORTUNISTIC:
        return Demand(minimum.level, server_name, published)
    # What failed is in the report already when this is tried.
    return Demand(minimum.level, server_name, published, fallback=Demand(Level.CLEAR, server_name))


def trusted_on_trial(base: Demand, server_name: str, published: Published) -> Demand:
    """MTA-STS in testing: looked at, reported, and sent as without it (RFC 8461 §5)."""
    return Demand(Level.VERIFIED, server_name, published, fallback=replace(base, published=None))
