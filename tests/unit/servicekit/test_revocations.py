"""Certificates that their authority has taken back: refused in the handshake, by the list as it is now; real handshakes."""

import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicekit.certificates import Certificates, Pair
from servicekit.tls import REVOKED, Revoked

from tests.support.certificates import revocations

SERVER, PEOPLE, OTHERS = trustme.CA(), trustme.CA(), trustme.CA()
ALICE, BOB = PEOPLE.issue_cert("alice.test"), PEOPLE.issue_cert("bob.test")
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
_moments = iter(range(1_800_000_000, 2_000_000_000))


def put(path: Path, content: bytes) -> None:
    """The clock of the file system may be coarse."""
    path.write_bytes(content)
    os.utime(path, (next(_moments),) * 2)


@pytest.fixture
def listener(tmp_path: Path) -> Certificates:
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    shown = SERVER.issue_cert("mail.test")
    pair.certificate.write_bytes(shown.cert_chain_pems[0].bytes())
    pair.key.write_bytes(shown.private_key_pem.bytes())
    put(tmp_path / "people.pem", PEOPLE.cert_pem.bytes())
    put(tmp_path / "crl.pem", revocations(PEOPLE, BOB))
    return Certificates(pair, None, tmp_path / "people.pem", tmp_path / "crl.pem")


def shake(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    session: ssl.SSLSession | None = None,
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends, after the client has read once. Raises ssl.SSLError, as the client or the server meets it."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname="mail.test", session=session)
    theirs = server.wrap_bio(there, back, server_side=True)
    ends = [ours, theirs]
    fault: ssl.SSLError | None = None
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                fault = error
            ends.remove(end)
    theirs_is_well = theirs not in ends and fault is None
    if theirs_is_well:
        theirs.write(b"hello")
        assert ours.read(5) == b"hello"
    elif fault is not None:
        # What the client hears: with TLS 1.3 after its own handshake is done.
        try:
            ours.read(1)
        except ssl.SSLWantReadError:
            raise fault from None
        except ssl.SSLError as heard:
            raise heard from fault
    return ours, theirs


def shows(leaf: trustme.LeafCert | None, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if leaf is not None:
        leaf.configure_cert(context)
    return context


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_one_that_was_taken_back_is_refused_by_name(listener: Certificates, version: ssl.TLSVersion) -> None:
    context = listener.users_context()
    assert shake(context, shows(ALICE, version))[1].getpeercert(binary_form=True)
    assert shake(context, shows(None, version))[1].getpeercert(binary_form=True) is None
    with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
        shake(context, shows(BOB, version))


def test_a_new_list_counts_without_a_restart(listener: Certificates, tmp_path: Path) -> None:
    context = listener.users_context()
    put(tmp_path / "crl.pem", revocations(PEOPLE, ALICE))
    assert shake(context, shows(ALICE, TLS13))[1].getpeercert(), "nobody has looked yet"
    listener.look()
    with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
        shake(context, shows(ALICE, TLS13))
    assert shake(context, shows(BOB, TLS13))[1].getpeercert()
    # Half a file changes nothing; nor does one that is gone.
    for content in (b"", revocations(PEOPLE)[:200], b"nonsense"):
        put(tmp_path / "crl.pem", content)
        listener.look()
        with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
            shake(context, shows(ALICE, TLS13))
    (tmp_path / "crl.pem").unlink()
    listener.look()
    with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
        shake(context, shows(ALICE, TLS13))


@pytest.mark.parametrize("content", [revocations(OTHERS, BOB), revocations(PEOPLE, days=-1)])
def test_without_a_list_that_holds_nobody_is_believed(
    listener: Certificates, tmp_path: Path, content: bytes
) -> None:
    context = listener.users_context()
    put(tmp_path / "crl.pem", content)
    listener.look()
    with pytest.raises(ssl.SSLError):
        shake(context, shows(ALICE, TLS12))
    shake(context, shows(None, TLS12))


def test_authorities_are_read_again_too(listener: Certificates, tmp_path: Path) -> None:
    context = listener.users_context()
    stranger = OTHERS.issue_cert("carol.test")
    with pytest.raises(ssl.SSLError):
        shake(context, shows(stranger, TLS12))
    put(tmp_path / "people.pem", PEOPLE.cert_pem.bytes() + OTHERS.cert_pem.bytes())
    put(tmp_path / "crl.pem", revocations(PEOPLE, BOB) + revocations(OTHERS))
    listener.look()
    for leaf in (stranger, ALICE):
        assert shake(context, shows(leaf, TLS12))[1].getpeercert()
    with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
        shake(context, shows(BOB, TLS12))


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_session_that_is_resumed_is_looked_at_again(
    listener: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context, client = listener.users_context(), shows(ALICE, version)
    ours, _ = shake(context, client)
    put(tmp_path / "crl.pem", revocations(PEOPLE, ALICE))
    listener.look()
    try:
        _, theirs = shake(context, client, ours.session)
    except ssl.SSLError:
        return
    der = theirs.getpeercert(binary_form=True)
    assert der is not None
    assert REVOKED[theirs.context].has(der), "a door sees no certificate then"


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("is_in_the_file", [False, True])
def test_an_authority_in_between_that_was_taken_back_takes_all_of_its_along(
    listener: Certificates, tmp_path: Path, version: ssl.TLSVersion, is_in_the_file: bool
) -> None:
    between = PEOPLE.create_child_ca()
    carol = between.issue_cert("carol.test")
    if is_in_the_file:
        put(tmp_path / "people.pem", PEOPLE.cert_pem.bytes() + between.cert_pem.bytes())
    context, client = listener.users_context(), shows(carol, version)
    # Of each authority on the way there must be a list.
    listener.look()
    with pytest.raises(ssl.SSLError):
        shake(context, client)
    put(tmp_path / "crl.pem", revocations(PEOPLE, BOB) + revocations(between))
    listener.look()
    _, theirs = shake(context, client)
    der = theirs.getpeercert(binary_form=True)
    assert der is not None
    put(tmp_path / "crl.pem", revocations(PEOPLE, between) + revocations(between))
    listener.look()
    with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
        shake(context, shows(carol, version))
    assert shake(context, shows(ALICE, version))[1].getpeercert()
    # Nor does it come in with a session of before, where we know the authority.
    looked_at = REVOKED[listener.for_name(None).asking]
    assert looked_at.has(der) is is_in_the_file
    assert not looked_at.has(ssl.PEM_cert_to_DER_cert(ALICE.cert_chain_pems[0].bytes().decode()))


def test_a_list_that_is_wanted_must_be_there_at_the_start(tmp_path: Path, listener: Certificates) -> None:
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    with pytest.raises(OSError, match="absent"):
        Certificates(pair, None, tmp_path / "people.pem", tmp_path / "absent.pem")
    with pytest.raises(ValueError, match="no revocation list"):
        Certificates(pair, None, tmp_path / "people.pem", tmp_path / "people.pem")


def test_what_is_no_certificate_counts_as_taken_back() -> None:
    revoked = Revoked.read(revocations(PEOPLE, BOB))
    assert revoked.has(b"\x30\x03\x02\x01\x01")
    bob = x509.load_pem_x509_certificate(BOB.cert_chain_pems[0].bytes())
    assert revoked.has(bob.public_bytes(Encoding.DER))
    alice = x509.load_pem_x509_certificate(ALICE.cert_chain_pems[0].bytes())
    assert not revoked.has(alice.public_bytes(Encoding.DER))
