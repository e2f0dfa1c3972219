"""A message becomes an encrypted one: what it says goes inside, its header stays outside.

Outside stays every field but those of the content (Content-*, MIME-Version), Subject too; inside is a MIME entity with
those and the body. Time and memory are linear in the message.
"""

import base64
import re
import secrets

from mailmsg.header import fields, first_value, header_end, unfold

from mailseal.key import encrypt_cms, encrypt_openpgp, is_openpgp

PGP_MESSAGE = b"-----BEGIN PGP MESSAGE-----"
PGP_MESSAGE_END = b"-----END PGP MESSAGE-----"
MEDIA_TYPE = re.compile(rb"\s*([!-.0-~]+/[!-.0-~]+?)\s*(?:;|$)")
# RFC 8551 §3.2.2; names of types are told apart without regard to case.
ENVELOPED = re.compile(
    rb";\s*smime-type\s*=\s*\"?(?:enveloped|authenveloped)-data\"?\s*(?:;|$)", re.IGNORECASE
)
CMS = (b"application/pkcs7-mime", b"application/x-pkcs7-mime")


def is_sealed(content: bytes) -> bool:
    """Whether a message is encrypted already: PGP/MIME, S/MIME, or a text that is one OpenPGP message.

    Its sender says so; nobody can look inside.
    """
    header, body = _split(content)
    value = unfold(first_value(header, b"content-type") or b"text/plain")
    found = MEDIA_TYPE.match(value)
    media_type = found[1].lower() if found else b""
    if media_type == b"multipart/encrypted":
        return PGP_MESSAGE in body
    if media_type in CMS:
        return ENVELOPED.search(value) is not None
    text = body.strip() if media_type == b"text/plain" else b""
    return text.startswith(PGP_MESSAGE) and text.find(PGP_MESSAGE_END) == len(text) - len(PGP_MESSAGE_END)


def seal(content: bytes, key: str) -> bytes:
    """The message encrypted to an armoured OpenPGP key or an X.509 certificate. Raises KeyUnusable."""
    header, body = _split(content)
    outside, inside = [], []
    for field in fields(header):
        name = field.name.lower()
        if name.startswith(b"content-"):
            inside.append(_line(field.raw))
        elif name != b"mime-version":
            outside.append(_line(field.raw))
    entity = b"".join(inside) + b"\r\n" + body
    made = _pgp_mime(encrypt_openpgp(key, entity)) if is_openpgp(key) else _smime(encrypt_cms(key, entity))
    return b"".join(outside) + b"MIME-Version: 1.0\r\n" + made


def _pgp_mime(armoured: bytes) -> bytes:
    """RFC 3156 §4."""
    boundary = f"sealed-{secrets.token_hex(16)}".encode()
    return (
        b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";\r\n\tboundary="%b"\r\n\r\n'
        b"--%b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
        b'--%b\r\nContent-Type: application/octet-stream; name="encrypted.asc"\r\n'
        b'Content-Disposition: inline; filename="encrypted.asc"\r\n\r\n%b\r\n--%b--\r\n'
    ) % (boundary, boundary, boundary, armoured.rstrip(), boundary)


def _smime(enveloped: bytes) -> bytes:
    """RFC 8551 §3.3."""
    lines = base64.encodebytes(enveloped).replace(b"\n", b"\r\n")
    return (
        b'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="smime.p7m"\r\n\r\n' + lines
    )


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Header with its blank line, and body."""
    end = header_end(content)
    return (content, b"") if end is None else (content[:end], content[end:])


def _line(field: bytes) -> bytes:
    return field if field.endswith(b"\n") else field + b"\r\n"
