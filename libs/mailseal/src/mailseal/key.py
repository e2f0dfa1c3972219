"""Public keys as their owners upload them: an armoured OpenPGP key, or an X.509 certificate in PEM."""

import warnings
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options
from pysequoia import Cert, encrypt

OPENPGP_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
X509_BEGIN = "-----BEGIN CERTIFICATE-----"
SHORTEST_RSA_BITS = 2048
# No library that is well kept agrees on a key in CMS (RFC 5753), which certificates of elliptic curves need.
ACCEPTED = f"accepted are certificates with an RSA key of at least {SHORTEST_RSA_BITS} bits, and OpenPGP keys of any algorithm"


class KeyUnusable(ValueError):
    """Nothing can be encrypted to this key; the text says why."""


def check_key(text: str, now: datetime) -> None:
    """Whether mail could be encrypted to it: tried with nothing. Raises KeyUnusable."""
    if "PRIVATE KEY" in text:
        raise KeyUnusable(
            "that is a private key: keep it to yourself, and take another if this one was sent around"
        )
    if is_openpgp(text):
        encrypt_openpgp(text, b"")
    elif X509_BEGIN in text:
        _check_dates(_certificate(text), now)
        encrypt_cms(text, b"")
    else:
        raise KeyUnusable("neither an armoured OpenPGP public key nor an X.509 certificate in PEM")


def is_openpgp(text: str) -> bool:
    """What kind of key it says it is."""
    return OPENPGP_BEGIN in text


def encrypt_openpgp(key: str, content: bytes) -> bytes:
    """An armoured OpenPGP message (RFC 9580 §10.3), not signed; lines end in CRLF. Raises KeyUnusable."""
    try:
        certs = Cert.split_bytes(key.encode())
    except Exception as error:
        raise KeyUnusable(f"no OpenPGP key can be read from it: {error}") from error
    if len(certs) != 1:
        raise KeyUnusable("one OpenPGP key is needed, not several")
    [cert] = certs
    with warnings.catch_warnings():
        # Where secret parts are looked for moves in a later version of the library.
        warnings.simplefilter("ignore", DeprecationWarning)
        has_secrets = cert.has_secret_keys
    if has_secrets:
        raise KeyUnusable("there are private parts in that key: keep them to yourself")
    if cert.is_revoked:
        raise KeyUnusable("that OpenPGP key was revoked")
    try:
        armoured = encrypt(recipients=[cert], bytes=content)
    except Exception as error:
        raise KeyUnusable(
            f"that OpenPGP key cannot be encrypted to (expired, or for signing only): {error}"
        ) from error
    return armoured.replace(b"\n", b"\r\n")


def encrypt_cms(key: str, content: bytes) -> bytes:
    """EnvelopedData in DER (RFC 5652 §6), AES-256 in CBC mode. Raises KeyUnusable.

    A certificate that has run out is as good as before: who could read what was encrypted to it still can.
    """
    try:
        builder = PKCS7EnvelopeBuilder().set_data(content).add_recipient(_certificate(key))
        return builder.set_content_encryption_algorithm(AES256).encrypt(Encoding.DER, [PKCS7Options.Binary])
    except (ValueError, TypeError) as error:
        raise KeyUnusable(str(error)) from error


def _certificate(text: str) -> x509.Certificate:
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
        if len(certificates) != 1:
            raise KeyUnusable("one certificate is needed, its reader's own")
        [certificate] = certificates
        public = certificate.public_key()
        if not isinstance(public, RSAPublicKey):
            raise KeyUnusable(f"the key of that certificate is not RSA: {ACCEPTED}")
        if public.key_size < SHORTEST_RSA_BITS:
            raise KeyUnusable(f"the key of that certificate has {public.key_size} bits: {ACCEPTED}")
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return certificate
    except KeyUnusable:
        raise
    except Exception as error:
        raise KeyUnusable(f"no certificate can be read from it: {error}") from error
    # RFC 8550 §4.4.2
    if not usage.key_encipherment:
        raise KeyUnusable("that certificate is not for encrypting (keyEncipherment)")
    return certificate


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if certificate.not_valid_after_utc <= now:
        raise KeyUnusable("that certificate has expired")
