"""Access tokens of a tenant's OpenID provider at every door of a whole installation: OAUTHBEARER and XOAUTH2; and
SCRAM that is bound to the certificate.

A client that people use has neither of them here (swaks), so what is said is spelled out.
"""

import base64
import hashlib
import imaplib
import poplib
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.bearer import RESPONSES, why_not
from tests.support.issuer import Issuer, running_issuer
from tests.support.managesieve import ManageSieve
from tests.support.platform import Account, Platform
from tests.support.scram import ScramClient


@dataclass
class House:
    platform: Platform
    issuer: Issuer
    alice: Account

    def token(self, **claims: object) -> str:
        return self.issuer.token(self.alice.address, datetime.now(UTC), **claims)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tokens")
    doors = ("SMTP_GATEWAY", "IMAP", "POP3", "MANAGESIEVE")
    with running_issuer(folder) as issuer:
        folder.chmod(0o755)
        (folder / "issuer-ca.pem").chmod(0o644)
        settings = {
            "DIRECTORY_OPENID_CA_FILE": str(folder / "issuer-ca.pem"),
            "DIRECTORY_INSIDE_NETWORKS": '["127.0.0.0/8"]',
            **{f"{door}_OAUTH": "on" for door in doors},
            **{f"{door}_SCRAM": "plus" for door in doors},
        }
        with Platform.start(Path(tmp_path_factory.mktemp("platform")), settings=settings) as platform:
            words = ("tenant", "openid", "set", "demo", issuer.url, "--audience", "mail")
            command = [sys.executable, "-m", "posthouse", *words, "--data", str(platform.folder)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            yield House(platform, issuer, platform.account("alice"))


def tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def smtp(house: House, way: str, mechanism: bytes, response: bytes) -> tuple[bool, bytes]:
    ports = house.platform.ports
    client = (
        smtplib.SMTP_SSL("127.0.0.1", ports.submissions, context=tls())
        if way == "tls"
        else smtplib.SMTP("127.0.0.1", ports.submission)
    )
    with client:
        if way == "starttls":
            client.starttls(context=tls())
        client.ehlo("client.invalid")
        assert b"SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN" in (client.ehlo_resp or b"")
        code, said = client.docmd("AUTH", f"{mechanism.decode()} {response.decode()}")
        if code == 334:
            refused = said
            code, said = client.docmd("AQ==")
            assert (code, said[:5]) == (535, b"5.7.8")
            return False, refused
        return code == 235, b""


def imap_client(house: House, way: str) -> imaplib.IMAP4:
    ports = house.platform.ports
    if way == "tls":
        return imaplib.IMAP4_SSL("127.0.0.1", ports.imaps, ssl_context=tls())
    client = imaplib.IMAP4("127.0.0.1", ports.imap)
    if way == "starttls":
        client.starttls(ssl_context=tls())
    return client


def imap(house: House, way: str, mechanism: bytes, response: bytes) -> tuple[bool, bytes]:
    client = imap_client(house, way)
    told = []

    def answer(challenge: bytes) -> bytes:
        told.append(challenge)
        return base64.b64decode(response) if len(told) == 1 else b"\x01"

    with client:
        assert f"AUTH={mechanism.decode()}" in client.capabilities
        try:
            client.authenticate(mechanism.decode(), answer)
        except imaplib.IMAP4.error:
            assert len(told) == 2
            return False, base64.b64encode(told[1])
        return client.select()[0] == "OK", b""


def pop3(house: House, way: str, mechanism: bytes, response: bytes) -> tuple[bool, bytes]:
    ports = house.platform.ports
    client = (
        poplib.POP3_SSL("127.0.0.1", ports.pop3s, context=tls())
        if way == "tls"
        else poplib.POP3("127.0.0.1", ports.pop3)
    )
    if way == "starttls":
        client.stls(context=tls())
    try:
        assert mechanism.decode() in client.capa()["SASL"]
        client._putline(b"AUTH " + mechanism)  # type: ignore[attr-defined]
        assert client.file.readline() == b"+ \r\n"
        client._putline(response)  # type: ignore[attr-defined]
        said = client.file.readline()
        if said.startswith(b"+ "):
            client._putline(b"AQ==")  # type: ignore[attr-defined]
            assert client.file.readline().startswith(b"-ERR [AUTH]")
            return False, said[2:].strip()
        return said.startswith(b"+OK"), b""
    finally:
        client.close()


def managesieve(house: House, way: str, mechanism: bytes, response: bytes) -> tuple[bool, bytes]:
    client = ManageSieve(house.platform.ports.managesieve, "")
    assert b"OAUTHBEARER XOAUTH2" in client.capabilities
    client._socket.sendall(b'AUTHENTICATE "%s" "%s"\r\n' % (mechanism, response))
    said = client._file.readline()
    if said.startswith(b'"'):
        client._socket.sendall(b'"AQ=="\r\n')
        assert client._file.readline().startswith(b"NO ")
        return False, said.strip(b'"\r\n')
    return said.startswith(b"OK"), b""


WAYS = [
    *((door, way) for door in (smtp, imap, pop3) for way in ("clear", "starttls", "tls")),
    (managesieve, "starttls"),
]


@pytest.mark.parametrize("mechanism", RESPONSES)
@pytest.mark.parametrize(("door", "way"), WAYS, ids=[f"{door.__name__}-{way}" for door, way in WAYS])
def test_a_token_at_every_door(
    house: House, door: Callable[..., tuple[bool, bytes]], way: str, mechanism: bytes
) -> None:
    response = RESPONSES[mechanism]
    assert door(house, way, mechanism, response(house.alice.address, house.token()))[0]


@pytest.mark.parametrize("mechanism", RESPONSES)
@pytest.mark.parametrize("door", [smtp, imap, pop3, managesieve])
def test_a_token_for_another_service(
    house: House, door: Callable[..., tuple[bool, bytes]], mechanism: bytes
) -> None:
    # Somebody whose failures count against nobody else.
    mallory = house.platform.create_account(f"mallory-{door.__name__}-{mechanism.decode().lower()}")
    token = house.issuer.token(mallory.address, datetime.now(UTC), aud="another service")
    is_in, told = door(house, "starttls", mechanism, RESPONSES[mechanism](mallory.address, token))
    assert not is_in
    assert why_not(told)["status"] in ("invalid_token", "401")


def test_a_client_of_imap_that_people_program_with(house: House) -> None:
    from imapclient import IMAPClient

    with IMAPClient("127.0.0.1", house.platform.ports.imaps, ssl_context=tls()) as client:
        client.oauthbearer_login(house.alice.address, house.token())
        assert client.select_folder("INBOX")[b"UIDVALIDITY"]


def test_a_token_opens_only_the_account_that_it_names(house: House) -> None:
    bob = house.platform.account("bob")
    response = RESPONSES[b"OAUTHBEARER"](bob.address, house.token())
    assert not smtp(house, "tls", b"OAUTHBEARER", response)[0]
    assert smtp(house, "tls", b"OAUTHBEARER", RESPONSES[b"OAUTHBEARER"]("", house.token()))[0]


def bound(house: House, connection: ssl.SSLSocket, digest: bytes = b"") -> ScramClient:
    """A client that is bound to the certificate that it sees, or to another one."""
    shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    end_point = digest or hashlib.sha256(shown).digest()
    alice = house.alice
    return ScramClient(alice.address, alice.password, flag="p=tls-server-end-point", bound=end_point)


@pytest.mark.parametrize("is_right", [True, False], ids=["ours", "another"])
@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_scram_that_is_bound_to_the_certificate(house: House, way: str, is_right: bool) -> None:
    ports, other = house.platform.ports, b"" if is_right else b"of somebody in between"
    client = smtplib.SMTP_SSL("127.0.0.1", ports.submissions, context=tls()) if way == "tls" else None
    with client or smtplib.SMTP("127.0.0.1", ports.submission) as session:
        if way == "starttls":
            session.ehlo("client.invalid")
            assert b"-PLUS" not in (session.ehlo_resp or b"")
            session.starttls(context=tls())
        session.ehlo("client.invalid")
        assert b"SCRAM-SHA-256-PLUS SCRAM-SHA-256" in (session.ehlo_resp or b"")
        assert isinstance(session.sock, ssl.SSLSocket)
        scram = bound(house, session.sock, other)
        _, said = session.docmd("AUTH", "SCRAM-SHA-256-PLUS " + scram.first().decode())
        code, said = session.docmd(scram.answer(said).decode())
        assert code == (334 if is_right else 501), said
        if is_right:
            scram.check(said)
            assert session.docmd("")[0] == 235
    answers: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        answers.append(challenge)
        if len(answers) == 1:
            return base64.b64decode(imap_scram.first())
        if len(answers) == 2:
            return base64.b64decode(imap_scram.answer(base64.b64encode(challenge)))
        imap_scram.check(base64.b64encode(challenge))
        return b""

    with imap_client(house, way) as reader:
        assert isinstance(reader.sock, ssl.SSLSocket)
        imap_scram = bound(house, reader.sock, other)
        if is_right:
            assert reader.authenticate("SCRAM-SHA-256-PLUS", answer)[0] == "OK"
        else:
            with pytest.raises(imaplib.IMAP4.error):
                reader.authenticate("SCRAM-SHA-256-PLUS", answer)


def test_pop3_binds_too(house: House) -> None:
    client = poplib.POP3_SSL("127.0.0.1", house.platform.ports.pop3s, context=tls())
    assert "SCRAM-SHA-256-PLUS" in client.capa()["SASL"]
    assert isinstance(client.sock, ssl.SSLSocket)
    scram = bound(house, client.sock)
    said = client._shortcmd("AUTH SCRAM-SHA-256-PLUS " + scram.first().decode())  # type: ignore[attr-defined]
    said = client._shortcmd(scram.answer(said[2:]).decode())  # type: ignore[attr-defined]
    scram.check(said[2:])
    assert client._shortcmd("=").startswith(b"+OK")  # type: ignore[attr-defined]
    client.quit()


def test_managesieve_binds_too(house: House) -> None:
    alice = house.alice
    for shown, answer in ((b"of somebody in between", b"NO "), (b"", b'OK (SASL "')):
        with ManageSieve(house.platform.ports.managesieve, "") as session:
            assert b'"SASL" "SCRAM-SHA-256-PLUS SCRAM-SHA-256' in session.capabilities
            end_point = shown or hashlib.sha256(session.certificate).digest()
            scram = ScramClient(alice.address, alice.password, flag="p=tls-server-end-point", bound=end_point)
            assert session.scram(b"SCRAM-SHA-256-PLUS", scram).startswith(answer)
