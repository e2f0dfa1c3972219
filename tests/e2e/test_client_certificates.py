"""Real client certificates at all four doors of a whole installation: EXTERNAL (RFC 4422 App. A), and PREAUTH at IMAP."""

import base64
import imaplib
import itertools
import json
import poplib
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.certificates import client_pem, revocations
from tests.support.managesieve import ManageSieve
from tests.support.platform import Account, Platform

DOORS = ("SMTP_GATEWAY", "IMAP", "POP3", "MANAGESIEVE")
_numbers = itertools.count(1)


@dataclass
class House:
    platform: Platform
    people: trustme.CA
    folder: Path

    def command(self, *words: str) -> Any:
        command = [sys.executable, "-m", "posthouse", *words, "--data", str(self.platform.folder), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def person(self) -> Account:
        """Somebody whose failures count against nobody else."""
        return self.platform.create_account(f"bearer-{next(_numbers)}")

    def add(self, account: Account, certificate: trustme.LeafCert) -> str:
        """Let it into an account; its fingerprint."""
        file = self.folder / f"{next(_numbers)}.pem"
        certificate.cert_chain_pems[0].write_to_path(str(file))
        made = self.command("account", "certificate", "add", account.address, "laptop", str(file))
        return str(made["fingerprint"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("certificates")
    people = trustme.CA()
    authority = folder / "people.pem"
    people.cert_pem.write_to_path(str(authority))
    # The services are somebody else, where these tests run as root.
    folder.chmod(0o755)
    authority.chmod(0o644)
    taken_back = folder / "crl.pem"
    taken_back.write_bytes(revocations(people))
    taken_back.chmod(0o644)
    settings = {f"{door}_TLS_CLIENT_AUTHORITIES_FILE": str(authority) for door in DOORS}
    settings |= {f"{door}_TLS_CLIENT_REVOCATIONS_FILE": str(taken_back) for door in DOORS}
    settings["IMAP_CERTIFICATE_LOGIN"] = "preauth"
    with Platform.start(Path(tmp_path_factory.mktemp("platform")), settings=settings) as platform:
        yield House(platform, people, folder)


def shows(certificate: trustme.LeafCert | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        certificate.configure_cert(context)
    return context


def as_whom(login: str) -> str:
    return base64.b64encode(login.encode()).decode() or "="


def smtp(platform: Platform, way: str, context: ssl.SSLContext, login: str) -> str:
    ports = platform.ports
    client = smtplib.SMTP_SSL("127.0.0.1", ports.submissions, context=context) if way == "tls" else None
    with client or smtplib.SMTP("127.0.0.1", ports.submission) as session:
        if way == "starttls":
            session.ehlo("client.invalid")
            assert b"EXTERNAL" not in (session.ehlo_resp or b"")
            session.starttls(context=context)
        session.ehlo("client.invalid")
        if b"AUTH EXTERNAL " not in (session.ehlo_resp or b""):
            assert session.docmd("AUTH", "EXTERNAL =")[0] == 504
            return "not offered"
        code, said = session.docmd("AUTH", f"EXTERNAL {as_whom(login)}")
        return "in" if code == 235 else f"{code} {said.decode()}"


def imap(platform: Platform, way: str, context: ssl.SSLContext, login: str) -> str:
    ports = platform.ports
    client = (
        imaplib.IMAP4_SSL("127.0.0.1", ports.imaps, ssl_context=context)
        if way == "tls"
        else imaplib.IMAP4("127.0.0.1", ports.imap)
    )
    with client:
        if way == "starttls":
            assert "AUTH=EXTERNAL" not in client.capabilities
            client.starttls(ssl_context=context)
        if client.state == "AUTH":
            return f"at once, {client.select()[0]}"
        if "AUTH=EXTERNAL" not in client.capabilities:
            return "not offered"
        try:
            client.authenticate("EXTERNAL", lambda _: login.encode())
        except imaplib.IMAP4.error as error:
            return str(error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0])
        return "in" if client.select()[0] == "OK" else "no INBOX"


def pop3(platform: Platform, way: str, context: ssl.SSLContext, login: str) -> str:
    ports = platform.ports
    client = (
        poplib.POP3_SSL("127.0.0.1", ports.pop3s, context=context)
        if way == "tls"
        else poplib.POP3("127.0.0.1", ports.pop3)
    )
    try:
        if way == "starttls":
            assert "EXTERNAL" not in client.capa()["SASL"]
            client.stls(context=context)
        if "EXTERNAL" not in client.capa()["SASL"]:
            return "not offered"
        client._shortcmd(f"AUTH EXTERNAL {as_whom(login)}")  # type: ignore[attr-defined]
        client.quit()
        return "in"
    except poplib.error_proto as error:
        return str(error.args[0].decode())
    finally:
        client.close()


def managesieve(platform: Platform, way: str, context: ssl.SSLContext, login: str) -> str:
    assert way == "starttls"
    with ManageSieve(platform.ports.managesieve, "", context=context) as session:
        assert b"EXTERNAL" not in session.greeting
        if b'"SASL" "EXTERNAL ' not in session.capabilities:
            return "not offered"
        said = session.say(b'AUTHENTICATE "EXTERNAL" "%s"' % as_whom(login).encode())
        return "in" if said.startswith(b"OK") else said.decode()


Door = Callable[[Platform, str, ssl.SSLContext, str], str]
EVERY: tuple[Door, ...] = (smtp, imap, pop3, managesieve)
WAYS = [
    *((door, way) for door in (smtp, pop3) for way in ("starttls", "tls")),
    (imap, "starttls"),
    (managesieve, "starttls"),
]
REFUSED: dict[Door, str] = {
    smtp: "535 5.7.8",
    imap: "[AUTHENTICATIONFAILED]",
    pop3: "-ERR [AUTH]",
    managesieve: 'NO "Authentication failed"',
}


@pytest.mark.parametrize(("door", "way"), WAYS, ids=[f"{door.__name__}-{way}" for door, way in WAYS])
def test_a_certificate_lets_in_whom_it_was_added_to_until_it_is_taken_away(
    house: House, door: Door, way: str
) -> None:
    owner, other = house.person(), house.person()
    laptop = house.people.issue_cert("a-laptop.invalid")
    context = shows(laptop)
    assert door(house.platform, way, context, owner.address).startswith(REFUSED[door])
    fingerprint = house.add(owner, laptop)
    assert door(house.platform, way, context, owner.address) == "in"
    assert door(house.platform, way, context, "") == "in", "whom it stands for is clear"
    assert door(house.platform, way, context, other.address).startswith(REFUSED[door])
    house.command("account", "certificate", "delete", owner.address, fingerprint)
    assert door(house.platform, way, context, owner.address).startswith(REFUSED[door])


@pytest.mark.parametrize("door", EVERY)
def test_without_a_certificate_there_is_no_external(house: House, door: Door) -> None:
    assert door(house.platform, "starttls", shows(None), "") == "not offered"


def test_an_authority_of_the_tenant_says_who_its_people_are(house: House) -> None:
    person = house.person()
    file = house.folder / "person.pem"
    file.write_bytes(client_pem(house.people, person.address))
    context = shows(None)
    context.load_cert_chain(file)
    for door in EVERY:
        assert door(house.platform, "starttls", context, "").startswith(REFUSED[door])
    authority = house.command(
        "tenant", "authority", "add", "demo", "people", str(house.folder / "people.pem")
    )
    try:
        for door in EVERY:
            assert door(house.platform, "starttls", context, "") == "in"
    finally:
        house.command("tenant", "authority", "delete", "demo", authority["fingerprint"])
    house.command("login", "lift", "--account", person.address)
    for door in EVERY:
        assert door(house.platform, "starttls", context, "").startswith(REFUSED[door])


def test_imap_lets_in_at_once_who_is_clear(house: House) -> None:
    person = house.person()
    laptop = house.people.issue_cert("b-laptop.invalid")
    assert imap(house.platform, "tls", shows(laptop), person.address).startswith(REFUSED[imap])
    house.add(person, laptop)
    assert imap(house.platform, "tls", shows(laptop), "") == "at once, OK"
    # A password still does, for one who shows none.
    with imaplib.IMAP4_SSL("127.0.0.1", house.platform.ports.imaps, ssl_context=shows(None)) as client:
        assert client.state == "NONAUTH"
        assert client.login(person.address, person.password)[0] == "OK"


# How the libraries say that the connection ended; the last one is ours.
CUT_OFF = (OSError, smtplib.SMTPServerDisconnected, imaplib.IMAP4.abort, poplib.error_proto, AssertionError)


def test_a_strangers_certificate_does_not_come_through_the_handshake(house: House) -> None:
    person = house.person()
    stranger = shows(trustme.CA().issue_cert(person.address))
    for door, way in ((smtp, "tls"), (imap, "tls"), (pop3, "tls"), (managesieve, "starttls")):
        with pytest.raises(CUT_OFF):
            door(house.platform, way, stranger, person.address)
    assert house.command("login", "log", person.address) == []


def test_one_that_its_authority_takes_back_is_refused_without_a_restart(house: House) -> None:
    person = house.person()
    lost, kept = house.people.issue_cert("lost.invalid"), house.people.issue_cert("kept.invalid")
    for laptop in (lost, kept):
        house.add(person, laptop)
    doors = ((smtp, "tls"), (pop3, "tls"), (managesieve, "starttls"))
    for door, way in doors:
        assert door(house.platform, way, shows(lost), person.address) == "in"
    (house.folder / "crl.pem").write_bytes(revocations(house.people, lost))
    for door, way in doors:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                door(house.platform, way, shows(lost), person.address)
            except CUT_OFF:
                break
            time.sleep(0.2)
        else:
            raise AssertionError(f"{door.__name__} still takes it")
        assert door(house.platform, way, shows(kept), person.address) == "in"
    said = b"".join(log.read_bytes() for log in house.platform.layout.logs.glob("managesieve*.log*"))
    assert b"certificate revoked" in said
