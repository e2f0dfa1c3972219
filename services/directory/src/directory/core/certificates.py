"""Certificates of clients: what they are, whom they name, and whether an authority made them (RFC 5280)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from directory.core.names import NameInvalid

CERTIFICATE_OCTETS = 16_384
FAULTS = (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension)


@dataclass(frozen=True, slots=True)
class Certificate:
    """As much as is looked at. `der` is all of it."""

    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime
    addresses: tuple[str, ...]
    is_authority: bool
    der: bytes = field(repr=False)


def read(der: bytes) -> Certificate | None:
    """None for what is no certificate."""
    if len(der) > CERTIFICATE_OCTETS:
        return None
    try:
        return _described(x509.load_der_x509_certificate(der))
    except FAULTS:
        return None


def read_pem(text: str) -> Certificate:
    """The first one of a PEM file. Raises NameInvalid."""
    try:
        if len(text) > 2 * CERTIFICATE_OCTETS:
            raise ValueError
        return _described(x509.load_pem_x509_certificate(text.encode()))
    except FAULTS as error:
        raise NameInvalid("that is no certificate in PEM") from error


def _described(found: x509.Certificate) -> Certificate:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = tuple(names.get_values_for_type(x509.RFC822Name))
    except x509.ExtensionNotFound:
        addresses = ()
    try:
        is_authority = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    return Certificate(
        found.fingerprint(SHA256()).hex(),
        found.subject.rfc4514_string()[:500],
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        addresses[:20],
        bool(is_authority),
        found.public_bytes(Encoding.DER),
    )


def is_made_by(certificate: Certificate, authorities: Sequence[bytes], now: datetime) -> bool:
    """Whether one of these authorities (DER) made it, for clients, and it holds now."""
    if not authorities:
        return False
    try:
        store = Store([x509.load_der_x509_certificate(each) for each in authorities])
        verifier = PolicyBuilder().store(store).time(now).build_client_verifier()
        verifier.verify(x509.load_der_x509_certificate(certificate.der), [])
    except (VerificationError, *FAULTS):
        return False
    return True
