"""Certificates for tests: good, of another name, expired, of a stranger; and what TLSA records say of them."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


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
