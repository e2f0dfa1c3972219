"""Certificates: re-read when their files change, chosen by the name that the client asks for; real handshakes in memory."""

import hashlib
import itertools
import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicekit.certificates import Certificates, Pair
from servicekit.settings import TlsSettings
from servicekit.tls import END_POINTS

AUTHORITY = trustme.CA()
# In nanoseconds, each a second after the last.
moments = itertools.count(1_800_000_001_000_000_000, 1_000_000_000)


def write(leaf: trustme.LeafCert, certificate: Path, key: Path) -> None:
    """As a tool that renews writes them; the clock of the file system may be coarse."""
    certificate.write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    moment = next(moments)
    for path in (certificate, key):
        os.utime(path, ns=(moment, moment))


def shake(
    server: ssl.SSLContext, name: str | None, **versions: ssl.TLSVersion
) -> tuple[set[str], ssl.SSLObject]:
    """The names of the certificate that a client sees, and the server's end. Raises ssl.SSLError."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for side, version in versions.items():
        setattr(client, side, version)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=name)
    theirs = server.wrap_bio(there, back, server_side=True)
    ends = [ours, theirs]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            break
    shown = ours.getpeercert(binary_form=True)
    assert shown is not None
    names = x509.load_der_x509_certificate(shown).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return set(names.value.get_values_for_type(x509.DNSName)), theirs


@pytest.fixture
def default(tmp_path: Path) -> Pair:
    pair = Pair(tmp_path / "default.pem", tmp_path / "default.key")
    write(AUTHORITY.issue_cert("old.test"), pair.certificate, pair.key)
    return pair


def test_a_new_certificate_is_shown_without_a_restart(default: Pair) -> None:
    certificates = Certificates(default)
    context = certificates.context()
    assert shake(context, "x.test")[0] == {"old.test"}
    write(AUTHORITY.issue_cert("new.test"), default.certificate, default.key)
    assert shake(context, "x.test")[0] == {"old.test"}, "until it is looked for"
    certificates.look()
    assert shake(context, "x.test")[0] == {"new.test"}
    assert shake(context, None)[0] == {"new.test"}, "no name asked for, too"


def test_a_pair_that_is_broken_leaves_the_old_one(default: Pair) -> None:
    certificates = Certificates(default)
    context = certificates.context()
    strange = AUTHORITY.issue_cert("strange.test")
    for breaking in (
        lambda: default.key.write_bytes(strange.private_key_pem.bytes()),
        lambda: default.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\n"),
        default.certificate.unlink,
    ):
        breaking()
        certificates.look()
        certificates.look()
        assert shake(context, "x.test")[0] == {"old.test"}
    write(AUTHORITY.issue_cert("new.test"), default.certificate, default.key)
    certificates.look()
    assert shake(context, "x.test")[0] == {"new.test"}


def test_the_name_that_is_asked_for_chooses(default: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    write(AUTHORITY.issue_cert("mail.one.test", "imap.one.test"), folder / "1.crt", folder / "1.key")
    wild = AUTHORITY.issue_cert("*.two.test")
    both = b"".join(each.bytes() for each in wild.cert_chain_pems) + wild.private_key_pem.bytes()
    (folder / "two.pem").write_bytes(both)
    (folder / "broken.crt").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    certificates = Certificates.of(
        TlsSettings(
            tls_certificate_file=default.certificate, tls_key_file=default.key, tls_certificates_folder=folder
        )
    )
    assert certificates is not None
    context = certificates.context()
    for name, shown in {
        "mail.one.test": {"mail.one.test", "imap.one.test"},
        "IMAP.ONE.TEST": {"mail.one.test", "imap.one.test"},
        "one.test": {"old.test"},
        "a.two.test": {"*.two.test"},
        "a.b.two.test": {"old.test"},
        "two.test": {"old.test"},
    }.items():
        assert shake(context, name)[0] == shown, name
    (folder / "two.pem").unlink()
    write(AUTHORITY.issue_cert("three.test"), folder / "3.crt", folder / "3.key")
    certificates.look()
    assert shake(context, "a.two.test")[0] == {"old.test"}
    assert shake(context, "three.test")[0] == {"three.test"}


def test_old_tls_is_not_spoken(default: Pair) -> None:
    certificates = Certificates(default)
    twelve = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    assert shake(certificates.context(), "x.test", **twelve)[1].version() == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        shake(certificates.context("1.3"), "x.test", **twelve)
    assert shake(certificates.context("1.3"), "x.test")[1].version() == "TLSv1.3"


def test_what_binds_an_exchange_to_the_certificate(default: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    leaf = AUTHORITY.issue_cert("mail.one.test")
    write(leaf, folder / "1.crt", folder / "1.key")
    certificates = Certificates(default, folder)
    ends = [shake(certificates.context(), name)[1] for name in ("x.test", "mail.one.test")]
    first, second = (END_POINTS[end.context] for end in ends)
    der = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    assert second == hashlib.sha256(der).digest()
    assert first != second
    write(AUTHORITY.issue_cert("new.test"), default.certificate, default.key)
    certificates.look()
    assert END_POINTS[ends[0].context] == first, "of what this connection was shown"


def test_without_a_certificate_there_is_none() -> None:
    assert Certificates.of(TlsSettings()) is None


def test_a_default_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Certificates(Pair(tmp_path / "no.pem", tmp_path / "no.key"))
