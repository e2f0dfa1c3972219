"""TLS contexts as our listeners use them: TLS 1.2 at least (RFC 8996, RFC 9325)."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from cryptography import x509

# tls-server-end-point (RFC 5929 §4.1) of the certificate that a context shows.
END_POINTS: WeakKeyDictionary[ssl.SSLContext, bytes] = WeakKeyDictionary()
LIST_END = b"-----END X509 CRL-----"


@dataclass(frozen=True, slots=True)
class Revoked:
    """Certificates that their authorities have taken back: issuer (DER) and serial number (RFC 5280 §5)."""

    certificates: frozenset[tuple[bytes, int]]

    @classmethod
    def read(cls, pem: bytes) -> "Revoked":
        """Of all lists in a file. Raises ValueError where there is none, or one that cannot be read."""
        found = set()
        lists = [part + LIST_END for part in pem.split(LIST_END)[:-1]]
        if not lists:
            raise ValueError("there is no revocation list in it")
        for each in lists:
            known = x509.load_pem_x509_crl(each)
            issuer = known.issuer.public_bytes()
            found |= {(issuer, entry.serial_number) for entry in known}
        return cls(frozenset(found))

    def has(self, der: bytes) -> bool:
        """Whether this certificate is one of them; what cannot be read counts as one."""
        try:
            found = x509.load_der_x509_certificate(der)
            return (found.issuer.public_bytes(), found.serial_number) in self.certificates
        except ValueError:
            return True


# What is looked at beside the handshake: a session that is resumed shows its certificate without another look at it.
REVOKED: WeakKeyDictionary[ssl.SSLContext, Revoked] = WeakKeyDictionary()


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context for the server side. Raises OSError or ssl.SSLError where the files are unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    return context
