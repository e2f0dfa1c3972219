"""TLSA records (RFC 6698, RFC 7671) as SMTP uses them (RFC 7672): is this the certificate that the domain promised?

The records must have come with DNSSEC's word for them; that, and the TLS handshake, is the caller's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from senderauth.names import normal_name

MAX_RECORDS = 32
MAX_CERTIFICATES = 10

_TEXT = re.compile(r"\s*([0-9]{1,3})\s+([0-9]{1,3})\s+([0-9]{1,3})\s+([0-9A-Fa-f\s]+)")
_DIGEST_OCTETS = {1: 32, 2: 64}


class Usage(Enum):
    """The certificate usages that SMTP knows (RFC 7672 §3.1)."""

    DANE_TA = 2
    """What is promised issued the server's certificate."""
    DANE_EE = 3
    """What is promised is the server's certificate."""


class TlsaVerdict(Enum):
    """How the certificate compares."""

    AUTHENTICATED = "authenticated"
    MISMATCH = "no record matches"
    UNUSABLE = "no record that can be used"
    """TLS is still required, but without authentication (RFC 7672 §2.2)."""


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """A record that SMTP can use. `selector` 0: the certificate, 1: its key; `matching` 0: as it is, 1: SHA-256, 2: SHA-512."""

    usage: Usage
    selector: int
    matching: int
    data: bytes

    def matches(self, certificate: x509.Certificate) -> bool:
        """RFC 6698 §2.1."""
        if self.selector == 0:
            octets = certificate.public_bytes(Encoding.DER)
        else:
            octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if self.matching == 1:
            octets = hashlib.sha256(octets).digest()
        elif self.matching == 2:
            octets = hashlib.sha512(octets).digest()
        return octets == self.data


def record_name(host: str, port: int = 25) -> str:
    """Where a host's records are (RFC 6698 §3)."""
    return f"_{port}._tcp.{normal_name(host)}"


def usable_record(usage: int, selector: int, matching: int, data: bytes) -> TlsaRecord | None:
    """None for usages 0 and 1, for what is not defined, and for digests of the wrong length (RFC 7672 §3.1)."""
    if usage not in (2, 3) or selector not in (0, 1) or matching not in (0, 1, 2) or not data:
        return None
    if len(data) != _DIGEST_OCTETS.get(matching, len(data)):
        return None
    return TlsaRecord(Usage(usage), selector, matching, data)


def parse_record(text: str) -> TlsaRecord | None:
    """From a record's text, `3 1 1 0123AB...`; None where it cannot be used."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    digits = "".join(found[4].split())
    if len(digits) % 2:
        return None
    return usable_record(int(found[1]), int(found[2]), int(found[3]), bytes.fromhex(digits))


def match(
    records: Iterable[TlsaRecord | None], chain: Sequence[bytes], names: Collection[str], *, now: datetime
) -> TlsaVerdict:
    """Does the chain that the server sent, DER, its own certificate first, keep what one of the records promises?

    With DANE-EE neither names nor dates matter (RFC 7671 §5.1). With DANE-TA the certificate must lead to what the
    record names, be in date, and bear one of `names`: the MX host, and what else RFC 7672 §3.2.2 allows.
    """
    usable = [record for record in records if record is not None][:MAX_RECORDS]
    if not usable:
        return TlsaVerdict.UNUSABLE
    certificates = _load(chain)
    if not certificates:
        return TlsaVerdict.MISMATCH
    own = certificates[0]
    try:
        if any(record.usage is Usage.DANE_EE and record.matches(own) for record in usable):
            return TlsaVerdict.AUTHENTICATED
        anchors = [record for record in usable if record.usage is Usage.DANE_TA]
        if anchors and _bears_name(own, names) and _leads_to(certificates, anchors, now):
            return TlsaVerdict.AUTHENTICATED
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return TlsaVerdict.MISMATCH  # Keys and extensions are read late, and may be nonsense.
    return TlsaVerdict.MISMATCH


def _load(chain: Sequence[bytes]) -> list[x509.Certificate]:
    certificates = []
    for octets in chain[:MAX_CERTIFICATES]:
        try:
            certificates.append(x509.load_der_x509_certificate(octets))
        except ValueError:
            break
    return certificates


def _leads_to(chain: list[x509.Certificate], anchors: list[TlsaRecord], now: datetime) -> bool:
    """Climbs from the server's certificate to an issuer that a record names."""
    # A whole certificate in a record need not be in the chain (RFC 7671 §5.2.2).
    whole = [record.data for record in anchors if record.selector == 0 and record.matching == 0]
    rest = chain[1:] + [certificate for data in whole for certificate in _load([data])]
    current = chain[0]
    while _is_in_date(current, now):
        issuer = next((each for each in rest if _is_issuer(each, current)), None)
        if issuer is None:
            return False
        if any(record.matches(issuer) for record in anchors):
            return True
        rest.remove(issuer)
        current = issuer
    return False


def _is_in_date(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _is_issuer(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _bears_name(certificate: x509.Certificate, names: Collection[str]) -> bool:
    """RFC 6125 §6.4: a wildcard is a whole label, the leftmost."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    presented = {normal_name(each) for each in alternative.get_values_for_type(x509.DNSName)}
    for name in map(normal_name, names):
        parent = name.partition(".")[2]
        if name in presented or ("." in parent and "*." + parent in presented):
            return True
    return False
