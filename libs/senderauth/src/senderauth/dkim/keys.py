"""Public keys in DNS (RFC 6376 §3.6.1, RFC 8463 §4) and what they verify.

Refused: RSA of less than 1024 bits (RFC 8301 §3.2), or so large that verifying becomes an attack.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from senderauth.dkim.tags import Malformed, colon_list, decode_base64, parse_tags

MIN_RSA_BITS = 1024
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT_BITS = 64
KEPT_KEYS = 1024
KEPT_LENGTH = 1024

PREHASHED_SHA256 = Prehashed(hashes.SHA256())


class Algorithm(Enum):
    """What we verify and sign with; the value is the word in a=."""

    RSA_SHA256 = "rsa-sha256"
    ED25519_SHA256 = "ed25519-sha256"


class KeyRefused(Exception):
    """The record holds no key that may be used. The message says why."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key record. `is_testing` is t=y, `is_strict` t=s: no subdomains in i=."""

    key: rsa.RSAPublicKey | Ed25519PublicKey
    bits: int
    is_testing: bool = False
    is_strict: bool = False

    def verifies(self, algorithm: Algorithm, signature: bytes, digest: bytes) -> bool:
        """True where the signature is that of the SHA-256 digest, by this key and this algorithm."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                if algorithm is not Algorithm.ED25519_SHA256:
                    return False
                self.key.verify(signature, digest)
            else:
                if algorithm is not Algorithm.RSA_SHA256:
                    return False
                self.key.verify(signature, digest, padding.PKCS1v15(), PREHASHED_SHA256)
        except InvalidSignature:
            return False
        return True


def parse_key(record: str) -> PublishedKey:
    """The key of a TXT record. Raises KeyRefused. The last `KEPT_KEYS` are kept as they were loaded."""
    return _parse_kept(record) if len(record) <= KEPT_LENGTH else _parse(record)


def _parse(record: str) -> PublishedKey:
    try:
        tags = parse_tags(record)
        if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
            raise KeyRefused("the record is not DKIM1")
        if "p" not in tags:
            raise KeyRefused("the record holds no key")
        if not tags["p"]:
            raise KeyRefused("the key is revoked")
        octets = decode_base64(tags["p"])
    except Malformed as fault:
        raise KeyRefused(f"the key record: {fault}") from None
    if "h" in tags and "sha256" not in colon_list(tags["h"]):
        raise KeyRefused("the key is not for sha256")
    if "s" in tags and not {"*", "email"} & set(colon_list(tags["s"])):
        raise KeyRefused("the key is not for mail")
    flags = colon_list(tags.get("t", ""))
    kind = tags.get("k", "rsa")
    if kind == "ed25519":
        return PublishedKey(_ed25519(octets), 256, "y" in flags, "s" in flags)
    if kind == "rsa":
        key = _rsa(octets)
        return PublishedKey(key, key.key_size, "y" in flags, "s" in flags)
    raise KeyRefused(f"a key of unknown kind: {kind[:20]!a}")


_parse_kept = lru_cache(KEPT_KEYS)(_parse)


def _ed25519(octets: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(octets)
    except ValueError:
        raise KeyRefused("no Ed25519 key") from None


def _rsa(octets: bytes) -> rsa.RSAPublicKey:
    # SubjectPublicKeyInfo, as everyone publishes it, or RSAPublicKey, as the text says (erratum 3017).
    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused("no RSA key that can be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyRefused("no RSA key")
    if key.key_size < MIN_RSA_BITS:
        raise KeyRefused(f"an RSA key of {key.key_size} bits")
    if key.key_size > MAX_RSA_BITS or key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise KeyRefused("an RSA key too large to use")
    return key
