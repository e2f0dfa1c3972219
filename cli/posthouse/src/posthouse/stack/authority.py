"""The installation's own authority: a certificate for each service, so that each knows who calls.

On Kubernetes cert-manager does this; here `posthouse up` does, anew for each start
whose certificates are near their end.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from posthouse.stack.layout import Layout

AUTHORITY_DAYS = 3650
DAYS = 397
# Made anew where less is left.
LEAST_DAYS = 60


class Authority:
    """Keys and certificates in `identities/`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.folder = layout.root / "identities"
        self.certificate_file = self.folder / "authority.pem"
        self._key_file = self.folder / "authority-key.pem"

    def files(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a service."""
        return self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"

    def ensure(self, names: Sequence[str]) -> None:
        """Make what is missing or near its end."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        if not self._key_file.exists() or _days_left(self.certificate_file) < DAYS:
            self._found()
            for name in names:
                self.files(name)[0].unlink(missing_ok=True)
        for name in names:
            if _days_left(self.files(name)[0]) < LEAST_DAYS:
                self._issue(name)

    def _found(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Posthouse services")])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _begun(name, key, AUTHORITY_DAYS)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        self._write(self.certificate_file, self._key_file, certificate, key)

    def _issue(self, name: str) -> None:
        authority = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        signer = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, DAYS)
            .issuer_name(authority.subject)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .sign(signer, hashes.SHA256())
        )
        self._write(*self.files(name), certificate, key)

    def _write(
        self,
        certificate_file: Path,
        key_file: Path,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
    ) -> None:
        self._layout.write_private(
            key_file,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
        )
        self._layout.write_private(
            certificate_file, certificate.public_bytes(serialization.Encoding.PEM).decode()
        )


def _begun(name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _days_left(certificate_file: Path) -> float:
    """0 where there is none that can be read."""
    try:
        end = x509.load_pem_x509_certificate(certificate_file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return 0.0
    return (end - datetime.now(UTC)).total_seconds() / 86_400
