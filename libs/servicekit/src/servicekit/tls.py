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
    """Certificates that their authorities have taken back: issuer (DER) and serial number (RFC 5280 §5).

    `authorities` are the names of those that were taken back themselves: nothing that they made is good.
    """

    certificates: frozenset[tuple[bytes, int]]
    authorities: frozenset[bytes] = frozenset()

    @classmethod
    def read(cls, pem: bytes, authorities: bytes = b"") -> "Revoked":
        """Of all lists in a file. `authorities` (PEM): those that are believed, also below others.

        Raises ValueError where there is no list, or one that cannot be read.
        """
        found = set()
        lists = [each + LIST_END for each in pem.split(LIST_END)[:-1]]
        if not lists:
            raise ValueError("there is no revocation list in it")
        for part in lists:
            known = x509.load_pem_x509_crl(part)
            issuer = known.issuer.public_bytes()
            found |= {(issuer, entry.serial_number) for entry in known}
        names: set[bytes] = set()
        believed = x509.load_pem_x509_certificates(authorities) if authorities else []
        # As often as one may stand below another.
        for _ in believed:
            for each in believed:
                issuer = each.issuer.public_bytes()
                if issuer in names or (issuer, each.serial_number) in found:
                    names.add(each.subject.public_bytes())
        return cls(frozenset(found), frozenset(names))

    def has(self, der: bytes) -> bool:
        """Whether this certificate is one of them; what cannot be read counts as one."""
        try:
            found = x509.load_der_x509_certificate(der)
            issuer = found.issuer.public_bytes()
            return issuer in self.authorities or (issuer, found.serial_number) in self.certificates
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
