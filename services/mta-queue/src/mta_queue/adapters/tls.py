"""TLS with another system: contexts, what the certificate comes to, why a handshake failed."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from senderauth import tlsa

from mta_queue.core.tls import Demand, Fault, Level

# X509_V_ERR_... of OpenSSL: not yet valid, expired; self-signed, no issuer, chain too long, untrusted; name mismatch.
FAULTS = {
    9: Fault.EXPIRED,
    10: Fault.EXPIRED,
    18: Fault.NOT_TRUSTED,
    19: Fault.NOT_TRUSTED,
    20: Fault.NOT_TRUSTED,
    21: Fault.NOT_TRUSTED,
    27: Fault.NOT_TRUSTED,
    62: Fault.HOST_MISMATCH,
    64: Fault.HOST_MISMATCH,
}
WORDS = {Level.VERIFIED: "verified", Level.DANE: "dane"}


class CertificateRefused(Exception):
    """The handshake was made, but with the wrong host."""

    def __init__(self, text: str, fault: Fault) -> None:
        super().__init__(text)
        self.fault = fault


class Contexts:
    """One that takes any certificate, for opportunistic TLS and DANE, and one that asks the authorities."""

    def __init__(self, authorities: Path | None = None) -> None:
        # RFC 7435, RFC 7672: who the host is comes out after the handshake, or does not matter.
        self._any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._any.check_hostname = False
        self._any.verify_mode = ssl.CERT_NONE
        self._trusted = authorities_context(authorities)
        for context in (self._any, self._trusted):
            context.minimum_version = ssl.TLSVersion.TLSv1_2

    def of(self, demand: Demand) -> ssl.SSLContext:
        """The one for a handshake."""
        return self._trusted if demand.level is Level.VERIFIED else self._any


def authorities_context(authorities: Path | None) -> ssl.SSLContext:
    """Certificates of these authorities only, or of the system's; the name stands in the alternative names (RFC 6125)."""
    context = ssl.create_default_context(cafile=str(authorities) if authorities is not None else None)
    context.hostname_checks_common_name = False
    return context


def check(secured: ssl.SSLObject, demand: Demand) -> None:
    """After the handshake. Raises CertificateRefused."""
    if demand.level is not Level.DANE:
        return
    verdict = tlsa.match(demand.records, _chain(secured), demand.names, now=datetime.now(UTC))
    if verdict is not tlsa.TlsaVerdict.AUTHENTICATED:
        raise CertificateRefused(f"DANE: {verdict.value}", Fault.VALIDATION_FAILURE)


def describe(secured: ssl.SSLObject | None, demand: Demand) -> str:
    """`TLSv1.3 dane`, `TLSv1.3 verified`, `TLSv1.3 unverified`; "" in clear."""
    if secured is None:
        return ""
    return f"{secured.version() or 'TLS'} {WORDS.get(demand.level, 'unverified')}"


def fault_of(error: BaseException) -> Fault:
    """What a failed handshake is called in a report."""
    if isinstance(error, CertificateRefused):
        return error.fault
    if isinstance(error, ssl.SSLCertVerificationError):
        return FAULTS.get(error.verify_code, Fault.VALIDATION_FAILURE)
    return Fault.VALIDATION_FAILURE


def _chain(secured: ssl.SSLObject) -> Sequence[bytes]:
    """The certificates as the host sent them, DER."""
    public: Any = getattr(secured, "get_unverified_chain", None)
    if public is not None:  # From Python 3.13 on.
        return list(public())
    inner: Any = secured._sslobj  # type: ignore[attr-defined]
    encode = ssl._ssl.ENCODING_DER  # type: ignore[attr-defined]
    return [certificate.public_bytes(encode) for certificate in inner.get_unverified_chain() or ()]
