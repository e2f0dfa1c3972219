"""Certificates for tests: good, of another name, expired, of a stranger; and what TLSA records say of them."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def server_context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    """For a listener."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def expired(authority: trustme.CA, host: str) -> trustme.LeafCert:
    """It was good once."""
    return authority.issue_cert(
        host,
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime.now(UTC) - timedelta(days=1),
    )


def key_digest(pem: bytes) -> str:
    """Of the key of the first certificate, as a TLSA record with selector 1 and matching 1 has it."""
    key = x509.load_pem_x509_certificate(pem).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def dane_ee(leaf: trustme.LeafCert) -> str:
    """`3 1 1 ...`"""
    return f"3 1 1 {key_digest(leaf.cert_chain_pems[0].bytes())}"


def dane_ta(authority: trustme.CA) -> str:
    """`2 1 1 ...`, for a server that sends its authority's certificate too."""
    return f"2 1 1 {key_digest(authority.cert_pem.bytes())}"


def write_authority(authority: trustme.CA, folder: Path) -> Path:
    """Its certificate in a file, as settings want it."""
    path = folder / "authority.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return path


def client_pem(authority: trustme.CA, address: str) -> bytes:
    """Key and certificate of a person, as authorities make them (trustme's own have a critical name, RFC 5280 §4.2.1.6)."""
    signer = load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a person")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), False)
        .sign(signer, SHA256())
    )
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return own + made.public_bytes(Encoding.PEM)


def _serial(made: trustme.LeafCert | trustme.CA) -> int:
    pem = made.cert_pem if isinstance(made, trustme.CA) else made.cert_chain_pems[0]
    return x509.load_pem_x509_certificate(pem.bytes()).serial_number


def revocations(authority: trustme.CA, *taken_back: trustme.LeafCert | trustme.CA, days: int = 7) -> bytes:
    """Its list, good for so many days from now."""
    key = load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - timedelta(days=30))
        .next_update(now + timedelta(days=days))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        .add_extension(x509.CRLNumber(1), False)
    )
    for leaf in taken_back:
        entry = x509.RevokedCertificateBuilder().serial_number(_serial(leaf)).revocation_date(now).build()
        made = made.add_revoked_certificate(entry)
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)
