"""Every way to log in to submission: AUTH PLAIN, LOGIN (with a client that people use) and SCRAM, in clear, after STARTTLS, in TLS.

In clear a password is only taken from this machine (ALLOW_PLAINTEXT_LOGIN=loopback in an embedded installation); the MX
door takes none at all.
"""

import smtplib
import ssl
import subprocess

import pytest

from tests.e2e.conftest import needs
from tests.support.platform import Account, Platform
from tests.support.scram import ScramClient

WAYS = {
    "clear": ("submission", ()),
    "starttls": ("submission", ("--tls",)),
    "tls": ("submissions", ("--tls-on-connect",)),
}


def swaks(platform: Platform, port: int, *options: str) -> tuple[int, str]:
    """How it ended, and the whole dialogue."""
    bob = platform.account("bob")
    command = [
        "swaks",
        "--server",
        f"127.0.0.1:{port}",
        "--to",
        bob.address,
        "--quit-after",
        "RCPT",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def user(platform: Platform) -> Account:
    """Somebody whose wrong passwords count against nobody else."""
    return platform.create_account("logins")


@needs("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_login(platform: Platform, user: Account, way: str, mechanism: str, right: bool) -> None:
    name, options = WAYS[way]
    password = user.password if right else "not-the-password"
    login = ("--auth", mechanism, "--auth-user", user.address, "--auth-password", password)
    code, said = swaks(platform, getattr(platform.ports, name), *options, *login, "--from", user.address)
    assert ("235 2.7.0" in said, "535 5.7.8" in said) == (right, not right), said
    assert (code == 0) is right
    assert ("=== TLS started" in said) is (way != "clear")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_login_by_scram(platform: Platform, user: Account, way: str, right: bool) -> None:
    """swaks knows no SCRAM (RFC 7677)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = getattr(platform.ports, WAYS[way][0])
    client = smtplib.SMTP_SSL("127.0.0.1", port, context=context) if way == "tls" else None
    with client or smtplib.SMTP("127.0.0.1", port) as session:
        if way == "starttls":
            session.starttls(context=context)
        session.ehlo("client.invalid")
        scram = ScramClient(user.address, user.password if right else "not-the-password")
        code, said = session.docmd("AUTH", "SCRAM-SHA-256 " + scram.first().decode())
        assert code == 334
        code, said = session.docmd(scram.answer(said).decode())
        if right:
            assert code == 334
            scram.check(said)
            code, said = session.docmd("")
        assert code == (235 if right else 535), said


@needs("swaks")
@pytest.mark.parametrize("way", WAYS)
def test_what_keeps_passwords_in_clear_is_not_offered(platform: Platform, user: Account, way: str) -> None:
    """CRAM-MD5 and its like need the password itself on our side; swaks, told to use nothing else, sends none."""
    name, options = WAYS[way]
    weak = ("--auth", "CRAM-MD5,CRAM-SHA1,DIGEST-MD5", "--auth-user", user.address, "--auth-password", "x")
    code, said = swaks(platform, getattr(platform.ports, name), *options, *weak, "--from", user.address)
    assert code == 28, said
    assert not [line for line in said.splitlines() if line.lstrip(" ~->").startswith("AUTH ")]


@needs("swaks")
@pytest.mark.parametrize("options", [(), ("--tls",)], ids=["clear", "starttls"])
def test_no_login_at_the_mx_door(platform: Platform, options: tuple[str, ...]) -> None:
    login = ("--auth", "PLAIN", "--auth-user", "x@y.test", "--auth-password", "secret")
    code, said = swaks(platform, platform.ports.smtp, *options, *login, "--from", "x@peer.invalid")
    assert code != 0
    assert "AUTH" not in "".join(line for line in said.splitlines() if line.startswith("<"))
