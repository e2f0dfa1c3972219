"""Secrets at rest: encrypted with a key that the database does not hold (AES-256-GCM, NIST SP 800-38D).

The secret file has one secret a line. The first one seals; all of them open, so that a new one can be put on top and the
old ones be taken out when nothing is sealed with them any more. What is sealed opens for its own purpose and place only:
a row that was copied elsewhere is worth nothing.
"""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_LEAST = 20
NONCE_OCTETS = 12
NAME_OCTETS = 4
FORM = b"\x01"


class SecretWeak(ValueError):
    """A secret is too short to keep anything."""


class Unopened(Exception):
    """None of our secrets opens it, or it is not what was sealed."""


class Sealer:
    """Knows the secrets. Raises SecretWeak, also where there is none."""

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        if not secrets or any(len(secret) < SECRET_LEAST for secret in secrets):
            raise SecretWeak(f"each secret that keeps others has at least {SECRET_LEAST} characters")
        keys = [_derived(secret, purpose) for secret in secrets]
        self._first = _name(keys[0])
        self._ciphers = {_name(key): AESGCM(key) for key in reversed(keys)}

    @property
    def current(self) -> str:
        """The name of the secret that seals; what it sealed can be told by it."""
        return self._first.hex()

    def seal(self, secret: bytes, place: Sequence[str]) -> bytes:
        """`place` is what it belongs to; the same must be given to open it."""
        nonce = os.urandom(NONCE_OCTETS)
        cipher = self._ciphers[self._first]
        return FORM + self._first + nonce + cipher.encrypt(nonce, secret, _bound(place))

    def open(self, sealed: bytes, place: Sequence[str]) -> bytes:
        """Raises Unopened."""
        form, rest = sealed[:1], sealed[1:]
        cipher = self._ciphers.get(rest[:NAME_OCTETS])
        if form != FORM or cipher is None:
            raise Unopened("it is sealed with a secret that is not here")
        nonce, text = rest[NAME_OCTETS : NAME_OCTETS + NONCE_OCTETS], rest[NAME_OCTETS + NONCE_OCTETS :]
        try:
            return cipher.decrypt(nonce, text, _bound(place))
        except (InvalidTag, ValueError) as error:
            raise Unopened("it is not what was sealed") from error


def _derived(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"posthouse {purpose}".encode()).derive(secret.encode())


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"name" + key).digest()[:NAME_OCTETS]


def _bound(place: Sequence[str]) -> bytes:
    return "\n".join(place).encode()
