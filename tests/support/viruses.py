"""The EICAR test file (a harmless file that every virus scanner finds) in messages of all kinds, and GTUBE.

Both are put together here, so that no scanner finds them in this folder.
"""

import base64
from dataclasses import dataclass

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + rb"ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-" + b"ANTI-UBE-TEST-EMAIL*C.34X"
ENCODED = base64.encodebytes(EICAR).replace(b"\n", b"\r\n")
HEADER = b"From: Eve <eve@peer.invalid>\r\nTo: bob@example.test\r\nSubject: look\r\nMessage-ID: <%s@peer.invalid>\r\n"
MULTIPART = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n'
TEXT = b"--b\r\nContent-Type: text/plain\r\n\r\nsee the attachment\r\n"


@dataclass(frozen=True)
class Kind:
    name: str
    content: bytes


def message(name: str, rest: bytes) -> bytes:
    """A header, then `rest` (more fields, an empty line, the body)."""
    return HEADER % name.encode() + rest


def attachment(fields: bytes, body: bytes) -> bytes:
    """A multipart with a text and one part more."""
    return MULTIPART + TEXT + b"--b\r\n" + fields + b"\r\n" + body + b"\r\n--b--\r\n"


def clean(name: str) -> bytes:
    """Nothing to be found."""
    return message(name, b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n\r\nThe meeting is at four.\r\n")


def spam(name: str) -> bytes:
    """What every spam scanner refuses."""
    return message(name, b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n\r\n" + GTUBE + b"\r\n")


def every_hiding_place() -> list[Kind]:
    """The virus where a reader would find it, also where MIME may be read in two ways."""
    octets = b"Content-Type: application/octet-stream\r\n"
    encoded = octets + b"Content-Transfer-Encoding: base64\r\n"
    inner = message("inner", attachment(encoded, ENCODED))
    halves = base64.b64encode(EICAR[:20]) + b"\r\n" + base64.b64encode(EICAR[20:]) + b"\r\n"
    noisy = b"\r\n".join(
        b"*" + ENCODED[at : at + 10].replace(b"\r\n", b"") + b"!" for at in range(0, len(ENCODED), 10)
    )
    rest = {
        "plain": b"\r\n" + EICAR + b"\r\n",
        "base64-body": b"MIME-Version: 1.0\r\n" + encoded + b"\r\n" + ENCODED,
        "attachment": attachment(encoded, ENCODED),
        "attachment-as-it-is": attachment(octets, EICAR),
        "quoted-printable": attachment(
            octets + b"Content-Transfer-Encoding: quoted-printable\r\n",
            b"".join(b"=%02X" % octet for octet in EICAR[:20]) + b"=\r\n" + EICAR[20:],
        ),
        "nested": attachment(b"Content-Type: message/rfc822\r\n", inner),
        "nested-twice": attachment(
            b"Content-Type: message/rfc822\r\n",
            message("outer", attachment(b"Content-Type: message/rfc822\r\n", inner)),
        ),
        "nested-encoded": attachment(
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n",
            base64.encodebytes(inner).replace(b"\n", b"\r\n"),
        ),
        "two-encodings": attachment(b"Content-Transfer-Encoding: 7bit\r\n" + encoded, ENCODED),
        "two-encodings-other-order": attachment(encoded + b"Content-Transfer-Encoding: 8bit\r\n", ENCODED),
        "misspelt-encoding": attachment(octets + b"Content-Transfer-Encoding: x-base64 (yes)\r\n", ENCODED),
        "no-encoding-named": attachment(octets, ENCODED),
        "noise-in-base64": attachment(encoded, noisy),
        "padding-in-base64": attachment(encoded, halves),
        "two-boundaries": b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"; boundary="c"\r\n\r\n'
        + TEXT.replace(b"--b", b"--c")
        + b"--c\r\n"
        + encoded
        + b"\r\n"
        + ENCODED
        + b"\r\n--c--\r\n",
        "two-content-types": b"Content-Type: text/plain\r\n" + attachment(encoded, ENCODED),
        "in-the-preamble": b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        + ENCODED
        + TEXT
        + b"--b--\r\n",
        "after-the-end": attachment(octets, b"nothing") + b"\r\n" + ENCODED,
        "no-mime-version": b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        + encoded
        + b"\r\n"
        + ENCODED
        + b"--b--\r\n",
    }
    kinds = [Kind(name, message(name, text)) for name, text in rest.items()]
    # A header that clamd takes for no mail at all.
    return [*kinds, Kind("strange-first-field", b"X-Strange: 1\r\n" + message("strange", rest["attachment"]))]
