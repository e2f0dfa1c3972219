"""Keys of readers, whose mail is encrypted to them: (what they upload, what they keep)."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pysequoia import Cert, Tsk
from pysequoia.packet import PacketPile, Tag


def new_openpgp() -> tuple[str, bytes]:
    """Armoured, both."""
    key = Tsk.generate("Bob <bob@example.test>")
    return str(key.extract_certificate()), str(key).encode()


def signing_only() -> str:
    """An armoured key of which the subkey for encryption was taken away."""
    packets = list(PacketPile.from_bytes(new_openpgp()[0].encode()))
    first = next(place for place, packet in enumerate(packets) if packet.tag == Tag.PublicSubkey)
    return str(Cert.from_packets(packets[:first]))


def new_x509(
    *,
    days: int = 3650,
    encipherment: bool = True,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
) -> tuple[str, rsa.RSAPrivateKey]:
    """A certificate in PEM that is good until so many days after 2026-11-21, with the key of `key` where it is given."""
    own = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bob")])
    until = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(days=days)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key((key or own).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=4000))
        .not_valid_after(until)
        .add_extension(usage, critical=True)
        .sign(own, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode(), own


def certificate_of(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())
