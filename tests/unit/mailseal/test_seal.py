"""Messages encrypted to a key are read again by the library and by the programs that people have."""

import base64
import random
import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import pkcs7_decrypt_der
from mailmsg.facts import examine
from mailseal import KeyUnusable, check_key, is_sealed, seal
from pysequoia import Tsk, decrypt

from tests.support.mime import octets_of, parts_of, text_of
from tests.support.packages import needs
from tests.support.reader_keys import certificate_of, new_openpgp, new_x509, signing_only

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLAIN = (
    b"Received: from a by b;\r\n\tSat, 21 Nov 2026 08:00:00 +0000\r\nFrom: eve@peer.invalid\r\nSubject: the plan\r\n"
    b"Message-ID: <1@peer.invalid>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nsecret \xc3\xa9\x00\xff\r\n.dots\r\n"
)
INSIDE = (
    b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"secret \xc3\xa9\x00\xff\r\n.dots\r\n"
)


def part_of(sealed: bytes) -> bytes:
    """What is encrypted: the second part of PGP/MIME."""
    message = message_from_bytes(sealed)
    assert message.get_content_type() == "multipart/encrypted"
    assert message.get_param("protocol") == "application/pgp-encrypted"
    control, encrypted = parts_of(message)
    assert (control.get_content_type(), text_of(control).strip()) == (
        "application/pgp-encrypted",
        "Version: 1",
    )
    assert encrypted.get_content_type() == "application/octet-stream"
    return text_of(encrypted).encode()


def test_openpgp_and_back() -> None:
    public, private = new_openpgp()
    check_key(public, NOW)
    sealed = seal(PLAIN, public)
    assert decrypt(decryptor=Tsk.from_bytes(private).decryptor(), bytes=part_of(sealed)).bytes == INSIDE
    assert b"secret" not in sealed
    assert b"\n" not in sealed.replace(b"\r\n", b"")
    assert is_sealed(sealed)


def test_smime_and_back() -> None:
    certificate, key = new_x509()
    check_key(certificate, NOW)
    sealed = seal(PLAIN, certificate)
    message = message_from_bytes(sealed)
    assert (message.get_content_type(), message.get_param("smime-type")) == (
        "application/pkcs7-mime",
        "enveloped-data",
    )
    opened = pkcs7_decrypt_der(octets_of(message), certificate_of(certificate), key, [])
    assert opened == INSIDE
    assert b"secret" not in sealed
    assert max(len(line) for line in sealed.split(b"\r\n")) <= 998
    assert is_sealed(sealed)


@pytest.mark.parametrize("kind", ["openpgp", "x509"])
def test_the_header_stays_and_the_facts_are_those_of_what_is_stored(kind: str) -> None:
    key = new_openpgp()[0] if kind == "openpgp" else new_x509()[0]
    sealed = seal(PLAIN, key)
    assert sealed.startswith(PLAIN[: PLAIN.index(b"MIME-Version")])
    facts, before = examine(sealed), examine(PLAIN)
    assert facts.envelope == before.envelope
    assert facts.bodystructure != before.bodystructure
    assert b"charset" not in facts.header


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: only a header\r\n",
        b"Subject: cut off",
        b"\r\nonly a body\r\n",
        b"",
        b"no header\r\n\r\nat all",
    ],
)
def test_odd_messages_lose_nothing_of_their_body(content: bytes) -> None:
    public, private = new_openpgp()
    opened = decrypt(
        decryptor=Tsk.from_bytes(private).decryptor(), bytes=part_of(seal(content, public))
    ).bytes
    assert (
        opened == b"\r\n" + content.partition(b"\r\n\r\n" if not content.startswith(b"\r\n") else b"\r\n")[2]
    )


@pytest.mark.parametrize(
    ("content", "sealed"),
    [
        (
            b"Content-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n",
            True,
        ),
        # It only says so.
        (b"Content-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\n\r\nin clear\r\n", False),
        (b"Content-Type: Application/PKCS7-Mime;\r\n SMIME-Type=Enveloped-Data\r\n\r\nMII", True),
        (b'Content-Type: application/x-pkcs7-mime; name=a; smime-type="authEnveloped-data"\r\n\r\nMII', True),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMII", False),
        (b"Subject: x\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nwcB\r\n-----END PGP MESSAGE-----\r\n", True),
        (
            b"Subject: x\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nwcB\r\n-----END PGP MESSAGE-----\r\nand more\r\n",
            False,
        ),
        (b"Content-Type: multipart/signed; boundary=x\r\n\r\n-----BEGIN PGP MESSAGE-----", False),
        (b"", False),
    ],
)
def test_what_is_encrypted_already(content: bytes, sealed: bool) -> None:
    assert is_sealed(content) is sealed


def test_private_keys_are_refused() -> None:
    _, private = new_openpgp()
    _, key = new_x509()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text in (private.decode(), pem, new_x509()[0] + pem):
        with pytest.raises(KeyUnusable, match="private key"):
            check_key(text, NOW)
    # Under the wrong armour.
    disguised = private.decode().replace("PRIVATE", "PUBLIC")
    with pytest.raises(KeyUnusable):
        check_key(disguised, NOW)


def test_keys_that_cannot_be_encrypted_to_are_refused() -> None:
    certificate, _ = new_x509()
    public, _ = new_openpgp()
    wrong = {
        "neither": "a key\nof two lines\n",
        "no OpenPGP key": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "one certificate": certificate + new_x509()[0],
        "expired": new_x509(days=1)[0],
        "not for encrypting": new_x509(encipherment=False)[0],
        "is not RSA: accepted are .* RSA key of at least 2048 bits, and OpenPGP": new_x509(
            key=ec.generate_private_key(ec.SECP256R1())
        )[0],
        "has 1024 bits: accepted are": new_x509(key=rsa.generate_private_key(65537, 1024))[0],
        "OpenPGP key cannot": signing_only(),
    }
    for why, text in wrong.items():
        with pytest.raises(KeyUnusable, match=why):
            check_key(text, NOW + timedelta(days=30))
    check_key(public, NOW)


def test_damaged_keys_are_refused_and_break_nothing() -> None:
    public, _ = new_openpgp()
    certificate, _ = new_x509()
    dice = random.Random(7)
    octets = base64.b64decode(
        "".join(line for line in public.splitlines()[1:-1] if ":" not in line).split("=")[0] + "=="
    )
    pem = base64.b64decode("".join(certificate.splitlines()[1:-1]))
    refused = 0
    for _ in range(300):
        for label, good in (("PGP PUBLIC KEY BLOCK", octets), ("CERTIFICATE", pem)):
            damaged = bytearray(good)
            for _ in range(dice.randint(1, 4)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            del damaged[dice.choice((len(damaged), dice.randrange(len(damaged)))) :]
            lines = base64.encodebytes(bytes(damaged)).decode()
            try:
                check_key(f"-----BEGIN {label}-----\n\n{lines}-----END {label}-----\n", NOW)
            except KeyUnusable:
                refused += 1
    assert refused > 300


def test_a_certificate_that_ran_out_goes_on_to_encrypt() -> None:
    certificate, key = new_x509(days=-1)
    body = octets_of(message_from_bytes(seal(PLAIN, certificate)))
    assert pkcs7_decrypt_der(body, certificate_of(certificate), key, []) == INSIDE


@needs("gpg", "gnupg")
def test_gpg_reads_it(tmp_path: Path) -> None:
    home = ["gpg", "--homedir", str(tmp_path), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    tmp_path.chmod(0o700)
    subprocess.run(
        [
            *home,
            "--passphrase",
            "",
            "--quick-generate-key",
            "bob@example.test",
            "rsa2048",
            "encrypt,sign,cert",
        ],
        check=True,
        capture_output=True,
    )
    public = subprocess.run([*home, "--armor", "--export"], check=True, capture_output=True).stdout.decode()
    check_key(public, datetime.now(UTC))
    opened = subprocess.run(
        [*home, "--decrypt"], input=part_of(seal(PLAIN, public)), check=True, capture_output=True
    )
    assert opened.stdout == INSIDE
    subprocess.run(["gpgconf", "--homedir", str(tmp_path), "--kill", "all"], check=True)


@needs("openssl")
def test_openssl_reads_it(tmp_path: Path) -> None:
    certificate, key = new_x509()
    secret, sealed = tmp_path / "key.pem", tmp_path / "mail.eml"
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    sealed.write_bytes(seal(PLAIN, certificate))
    opened = subprocess.run(
        ["openssl", "smime", "-decrypt", "-binary", "-in", sealed, "-inkey", secret],
        check=True,
        capture_output=True,
    )
    assert opened.stdout == INSIDE
