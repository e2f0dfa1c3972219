"""Signing with DKIM (RFC 6376 §5, RFC 8301, RFC 8463): relaxed/relaxed, never l=.

The fields that a reader sees are oversigned: named once more than they occur, so that nobody adds another one (§8.15).
Who may sign for which domain is the caller's to know.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from senderauth.dkim.canonical import Mode, canonical_field
from senderauth.dkim.keys import MIN_RSA_BITS, PREHASHED_SHA256, Algorithm
from senderauth.dkim.message import MessageView
from senderauth.names import is_name, is_qualified_name, normal_name

OVERSIGNED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
SIGNED = (
    b"sender",
    b"resent-from",
    b"resent-to",
    b"resent-date",
    b"list-id",
    b"list-post",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"auto-submitted",
)
"""Signed as often as they occur, and no more: a mailing list may add its own."""

_LINE_OCTETS = 76


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and where its public half is published. Make it with `signing_key`."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        """What it signs with."""
        if isinstance(self.key, Ed25519PrivateKey):
            return Algorithm.ED25519_SHA256
        return Algorithm.RSA_SHA256

    @property
    def record_name(self) -> str:
        """The name of its TXT record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """What its TXT record says; cut it into strings of 255 octets where the server does not (§3.6.2.2)."""
        public = self.key.public_key()
        if isinstance(self.key, Ed25519PrivateKey):
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode('ascii')}"
        octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; h=sha256; p={base64.b64encode(octets).decode('ascii')}"

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(digest)
        return self.key.sign(digest, padding.PKCS1v15(), PREHASHED_SHA256)


def signing_key(domain: str, selector: str, pem: bytes) -> SigningKey:
    """From a private key in PEM (PKCS #8 or PKCS #1, not encrypted), whose numbers are tested. Raises ValueError.

    That takes some hundredths of a second for RSA.
    """
    return _signing_key(domain, selector, load_pem_private_key(pem, password=None))


def kept_signing_key(domain: str, selector: str, pem: bytes) -> SigningKey:
    """The same at once, for a key that we made and kept where nobody could alter it. Raises ValueError."""
    key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    return _signing_key(domain, selector, key)


def _signing_key(domain: str, selector: str, key: object) -> SigningKey:
    domain, selector = normal_name(domain), normal_name(selector)
    if not is_qualified_name(domain) or not is_name(f"{selector}._domainkey.{domain}"):
        raise ValueError(f"{selector}._domainkey.{domain} is no name")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits")
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("neither RSA nor Ed25519")
    return SigningKey(domain, selector, key)


def generate_pem(algorithm: Algorithm) -> bytes:
    """A new private key in PEM: RSA of 2048 bits, or Ed25519. RSA takes a tenth of a second and more."""
    key: rsa.RSAPrivateKey | Ed25519PrivateKey
    if algorithm is Algorithm.ED25519_SHA256:
        key = Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def sign(message: bytes, keys: Sequence[SigningKey], *, now: datetime, lifetime_seconds: int) -> bytes:
    """DKIM-Signature fields to put in front of the message, one for each key, with x= after the lifetime."""
    if not keys:
        return b""
    view = MessageView(message)
    names = names_to_sign(view)
    body = view.hash_bodies({(Mode.RELAXED, None)})[Mode.RELAXED, None]
    signed_at = int(now.timestamp())
    fields = []
    for key in keys:
        tags = [
            "v=1",
            f"a={key.algorithm.value}",
            "c=relaxed/relaxed",
            f"d={key.domain}",
            f"s={key.selector}",
            f"t={signed_at}",
            f"x={signed_at + lifetime_seconds}",
        ]
        fields.append(sign_field(b"DKIM-Signature", tags, names, body.digest, view, key))
    return b"".join(fields)


def names_to_sign(view: MessageView) -> list[bytes]:
    """The names for h=, in the order of hashing."""
    names: list[bytes] = []
    for name in OVERSIGNED:
        names += [name] * (view.count(name) + 1)
    for name in SIGNED:
        names += [name] * view.count(name)
    return names


def sign_field(
    field_name: bytes,
    tags: Iterable[str],
    names: Sequence[bytes],
    body_digest: bytes,
    view: MessageView,
    key: SigningKey,
) -> bytes:
    """A whole signature field: these tags, then h=, bh= and b=; ends in CRLF."""
    h = "h=" + ":".join(name.decode("ascii") for name in names)
    bh = "bh=" + base64.b64encode(body_digest).decode("ascii")
    unsigned = fold_tags(field_name, [*tags, h, bh, "b="])
    running = view.hash_fields(names, Mode.RELAXED)
    running.update(canonical_field(field_name, unsigned, Mode.RELAXED))
    return finish_field(field_name, unsigned, key.sign_digest(running.digest()))


def finish_field(field_name: bytes, unsigned: bytes, signature: bytes) -> bytes:
    """The field with its b=, which must be the last tag of `unsigned`."""
    text = base64.b64encode(signature)
    width = _LINE_OCTETS - 2
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return field_name + b":" + unsigned + b"\r\n\t" + b"\r\n\t".join(lines) + b"\r\n"


def fold_tags(field_name: bytes, tags: Sequence[str]) -> bytes:
    """A field's value: `tag; tag; tag` in lines of at most 76 octets where the tags allow it; h= breaks at colons."""
    lines: list[str] = []
    line = " "
    room = _LINE_OCTETS - len(field_name) - 1
    for number, tag in enumerate(tags):
        ending = "" if number == len(tags) - 1 else ";"
        pieces = [piece + ":" for piece in tag.split(":")] if tag.startswith("h=") else [tag + ":"]
        pieces[-1] = pieces[-1][:-1] + ending
        glue = " " if line.strip() else ""
        for piece in pieces:
            if len(line) + len(glue) + len(piece) > room and line.strip():
                lines.append(line)
                line, glue, room = "\t", "", _LINE_OCTETS
            line += glue + piece
            glue = ""
    lines.append(line)
    return "\r\n".join(lines).encode("utf-8")
