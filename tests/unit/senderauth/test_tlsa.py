"""TLSA: does a certificate keep what DNS promises (RFC 6698, 7671, 7672)?"""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from senderauth.tlsa import TlsaRecord, TlsaVerdict, Usage, match, parse_record, record_name

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOST = "mail.example.com"


class Holder:
    """A certificate and its key."""

    def __init__(
        self,
        name: str,
        issuer: "Holder | None" = None,
        *,
        is_authority: bool = True,
        days: int = 30,
        names: list[str] | None = None,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name if issuer else self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=60))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
            )
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())
        self.der = self.certificate.public_bytes(Encoding.DER)
        self.spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


ROOT = Holder("root")
MIDDLE = Holder("middle", ROOT)
LEAF = Holder("leaf", MIDDLE, is_authority=False, names=[HOST, "*.wild.example"])
OLD = Holder("old", MIDDLE, is_authority=False, names=[HOST], days=-1)
STRANGER = Holder("stranger", is_authority=False, names=[HOST])
CHAIN = [LEAF.der, MIDDLE.der, ROOT.der]


def record(usage: int, selector: int, matching: int, holder: Holder) -> TlsaRecord | None:
    octets = holder.der if selector == 0 else holder.spki
    digest = [octets, hashlib.sha256(octets).digest(), hashlib.sha512(octets).digest()][matching]
    return parse_record(f"{usage} {selector} {matching} {digest.hex()}")


def verdict(records: list[TlsaRecord | None], chain: list[bytes], *names: str) -> TlsaVerdict:
    return match(records, chain, names or (HOST,), now=NOW)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_every_form_of_both_usages(selector: int, matching: int) -> None:
    for usage, holder in [(3, LEAF), (2, MIDDLE), (2, ROOT)]:
        assert verdict([record(usage, selector, matching, holder)], CHAIN) is TlsaVerdict.AUTHENTICATED
        assert verdict([record(usage, selector, matching, STRANGER)], CHAIN) is TlsaVerdict.MISMATCH


def test_dane_ee_asks_for_neither_name_nor_date() -> None:
    assert verdict([record(3, 1, 1, OLD)], [OLD.der], "other.example") is TlsaVerdict.AUTHENTICATED
    assert verdict([record(3, 1, 1, MIDDLE)], CHAIN) is TlsaVerdict.MISMATCH


def test_dane_ta_asks_for_name_date_and_path() -> None:
    anchor = [record(2, 0, 1, MIDDLE)]
    assert verdict(anchor, CHAIN, "other.example") is TlsaVerdict.MISMATCH
    assert verdict(anchor, CHAIN, "other.example", "MAIL.example.com.") is TlsaVerdict.AUTHENTICATED
    assert verdict(anchor, CHAIN, "a.wild.example") is TlsaVerdict.AUTHENTICATED
    assert verdict(anchor, CHAIN, "a.b.wild.example") is TlsaVerdict.MISMATCH
    assert verdict(anchor, CHAIN, "wild.example") is TlsaVerdict.MISMATCH
    assert verdict(anchor, [OLD.der, MIDDLE.der]) is TlsaVerdict.MISMATCH
    # The anchor beside a certificate that it did not issue.
    assert verdict(anchor, [STRANGER.der, MIDDLE.der]) is TlsaVerdict.MISMATCH
    assert verdict(anchor, [LEAF.der]) is TlsaVerdict.MISMATCH
    # An issuer that is no authority.
    below = Holder("below", LEAF, is_authority=False, names=[HOST])
    assert verdict([record(2, 0, 1, LEAF)], [below.der, *CHAIN]) is TlsaVerdict.MISMATCH
    # Whatever the order of the chain, and an anchor that only the record holds.
    assert verdict([record(2, 1, 1, ROOT)], [LEAF.der, ROOT.der, MIDDLE.der]) is TlsaVerdict.AUTHENTICATED
    assert verdict([record(2, 0, 0, ROOT)], [LEAF.der, MIDDLE.der]) is TlsaVerdict.AUTHENTICATED
    # A server's own certificate is no authority for itself.
    assert verdict([record(2, 0, 1, LEAF)], CHAIN) is TlsaVerdict.MISMATCH


@pytest.mark.parametrize(
    "text",
    [
        "0 0 1 " + "00" * 32,
        "1 1 1 " + "00" * 32,
        "4 1 1 " + "00" * 32,
        "255 1 1 " + "00" * 32,
        "3 2 1 " + "00" * 32,
        "3 1 3 " + "00" * 32,
        "3 1 1 " + "00" * 31,
        "3 1 2 " + "00" * 32,
        "3 1 1 " + "0" * 63,
        "3 1 1",
        "3 1 1 xyz",
        "",
    ],
)
def test_unusable_records(text: str) -> None:
    assert parse_record(text) is None
    assert verdict([parse_record(text)], CHAIN) is TlsaVerdict.UNUSABLE
    assert verdict([parse_record(text), record(3, 1, 1, LEAF)], CHAIN) is TlsaVerdict.AUTHENTICATED


def test_text() -> None:
    digest = "0123456789abcdef" * 4
    expected = TlsaRecord(Usage.DANE_EE, 1, 1, bytes.fromhex(digest))
    assert parse_record(f"3 1 1 {digest[:32]} {digest[32:].upper()}") == expected
    assert record_name("Mail.Example.com.") == "_25._tcp.mail.example.com"


@pytest.mark.parametrize("chain", [[], [b""], [b"\x30\x82"], [LEAF.der[:-1]], [b"x" * 100] * 1000])
def test_nonsense_matches_nothing(chain: list[bytes]) -> None:
    assert verdict([record(3, 1, 1, LEAF), record(2, 1, 1, ROOT)], chain) is TlsaVerdict.MISMATCH
