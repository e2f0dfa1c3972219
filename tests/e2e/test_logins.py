"""App passwords and failed logins, at every door of a whole installation."""

import imaplib
import json
import poplib
import smtplib
import ssl
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator

import pytest

from tests.support.managesieve import ManageSieve
from tests.support.platform import Account, Platform
from tests.support.scram import ScramClient


def command(platform: Platform, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "posthouse", *arguments, "--data", str(platform.folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def by_smtp(platform: Platform, login: str, password: str) -> str:
    with smtplib.SMTP_SSL("127.0.0.1", platform.ports.submissions, context=unchecked()) as session:
        session.ehlo()
        # One mechanism only: smtplib would try the next one after a refusal.
        said = b64encode(f"\0{login}\0{password}".encode()).decode()
        code, text = session.docmd("AUTH", f"PLAIN {said}")
        return "in" if code == 235 else f"{code} {text.decode()}"


def by_imap(platform: Platform, login: str, password: str) -> str:
    client = imaplib.IMAP4_SSL("127.0.0.1", platform.ports.imaps, ssl_context=unchecked())
    try:
        client.login(login, password)
        return "in"
    except imaplib.IMAP4.error as error:
        return str(error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0])
    finally:
        client.shutdown()


def by_pop3(platform: Platform, login: str, password: str) -> str:
    client = poplib.POP3_SSL("127.0.0.1", platform.ports.pop3s, context=unchecked())
    try:
        client.user(login)
        client.pass_(password)
        client.quit()
        return "in"
    except poplib.error_proto as error:
        return str(error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0])
    finally:
        client.close()


def by_sieve(platform: Platform, login: str, password: str) -> str:
    with ManageSieve(platform.ports.managesieve, login, password) as session:
        return "in" if session.logged_in.startswith(b"OK") else session.logged_in.decode()


DOORS: dict[str, Callable[[Platform, str, str], str]] = {
    "smtp": by_smtp,
    "imap": by_imap,
    "pop3": by_pop3,
    "sieve": by_sieve,
}
WRONG = {
    "smtp": "535 5.7.8",
    "imap": "[AUTHENTICATIONFAILED]",
    "pop3": "-ERR [AUTH]",
    "sieve": 'NO "Authentication failed"',
}
LATER = {"smtp": "454 4.7.0", "imap": "[UNAVAILABLE]", "pop3": "-ERR [SYS/TEMP]", "sieve": "NO (TRYLATER)"}


@pytest.fixture(scope="module")
def owner(platform: Platform) -> Account:
    return platform.create_account("login-owner")


@pytest.mark.parametrize("door", DOORS)
def test_an_app_password_opens_its_door_until_it_is_revoked(
    platform: Platform, owner: Account, door: str
) -> None:
    of = ("account", "app-password")
    password = command(platform, *of, "create", owner.address, f"for {door}", "--scope", door).strip()
    for other, log_in in DOORS.items():
        said = log_in(platform, owner.address, password)
        assert said == "in" if other == door else said.startswith(WRONG[other])
    [mine] = [
        each
        for each in json.loads(command(platform, *of, "list", owner.address, "--json"))
        if each["name"] == f"for {door}"
    ]
    assert (mine["last_used_service"], mine["last_used_address"]) == (door, "127.0.0.1")
    command(platform, *of, "delete", owner.address, f"for {door}")
    assert DOORS[door](platform, owner.address, password).startswith(WRONG[door])
    command(platform, "login", "lift", "--account", owner.address)


@pytest.mark.parametrize("door", DOORS)
def test_who_guesses_must_wait_at_every_door_until_it_is_lifted(platform: Platform, door: str) -> None:
    account = platform.create_account(f"guessed-{door}")
    for number in range(6):
        assert DOORS[door](platform, account.address, f"guess {number}").startswith(WRONG[door])
    for each, log_in in DOORS.items():
        assert log_in(platform, account.address, account.password).startswith(LATER[each])
    [limit] = json.loads(command(platform, "login", "limits", "--account", account.address, "--json"))
    assert (limit["prefix"], limit["failures"]) == ("127.0.0.1/32", 6)
    assert command(platform, "login", "lift", "--account", account.address) == "1 lifted\n"
    for log_in in DOORS.values():
        assert log_in(platform, account.address, account.password) == "in"
    log = json.loads(command(platform, "login", "log", account.address, "--json"))
    assert {each["outcome"] for each in log} == {"granted", "denied", "throttled"}


def scram_by_smtp(platform: Platform, login: str, password: str) -> str:
    client = ScramClient(login, password)
    with smtplib.SMTP_SSL("127.0.0.1", platform.ports.submissions, context=unchecked()) as session:
        session.ehlo()
        code, text = session.docmd("AUTH", "SCRAM-SHA-256 " + client.first().decode())
        assert code == 334
        code, text = session.docmd(client.answer(text).decode())
        if code != 334:
            return f"{code} {text.decode()}"
        client.check(text)
        code, text = session.docmd("=")
        return "in" if code == 235 else f"{code} {text.decode()}"


def scram_by_imap(platform: Platform, login: str, password: str) -> str:
    proof = ScramClient(login, password)

    def checked(line: bytes) -> bytes:
        proof.check(line)
        return b""

    steps: Iterator[Callable[[bytes], bytes]] = iter([lambda _: proof.first(), proof.answer, checked])
    client = imaplib.IMAP4_SSL("127.0.0.1", platform.ports.imaps, ssl_context=unchecked())
    try:
        # imaplib does the base64 by itself.
        client.authenticate("SCRAM-SHA-256", lambda said: b64decode(next(steps)(b64encode(said))))
        return "in"
    except imaplib.IMAP4.error as error:
        return str(error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0])
    finally:
        client.shutdown()


def scram_by_pop3(platform: Platform, login: str, password: str) -> str:
    proof = ScramClient(login, password)
    client = poplib.POP3_SSL("127.0.0.1", platform.ports.pop3s, context=unchecked())

    def say(line: bytes) -> bytes:
        client.sock.sendall(line + b"\r\n")
        return client.file.readline().strip()

    try:
        said = say(b"AUTH SCRAM-SHA-256 " + proof.first())
        said = say(proof.answer(said.removeprefix(b"+ ")))
        if said.startswith(b"-ERR"):
            return said.decode()
        proof.check(said.removeprefix(b"+ "))
        said = say(b"=")
        return "in" if said.startswith(b"+OK") else said.decode()
    finally:
        client.close()


def scram_by_sieve(platform: Platform, login: str, password: str) -> str:
    with ManageSieve(platform.ports.managesieve, "") as session:
        said = session.scram(b"SCRAM-SHA-256", ScramClient(login, password))
        return "in" if said.startswith(b'OK (SASL "') else said.decode()


SCRAM = {"smtp": scram_by_smtp, "imap": scram_by_imap, "pop3": scram_by_pop3, "sieve": scram_by_sieve}


@pytest.mark.parametrize("door", SCRAM)
def test_scram_at_every_door_with_every_password_of_the_account(
    platform: Platform, owner: Account, door: str
) -> None:
    log_in = SCRAM[door]
    of = ("account", "app-password")
    password = command(platform, *of, "create", owner.address, f"scram {door}", "--scope", door).strip()
    assert log_in(platform, owner.address, owner.password) == "in"
    assert log_in(platform, owner.address, password) == "in"
    assert log_in(platform, owner.address.upper(), password) == "in"
    assert log_in(platform, owner.address, "wrong").startswith(WRONG[door])
    assert log_in(platform, f"nobody-{door}@example.test", "wrong").startswith(WRONG[door])
    command(platform, *of, "delete", owner.address, f"scram {door}")
    assert log_in(platform, owner.address, password).startswith(WRONG[door])
    command(platform, "login", "lift", "--account", owner.address)
