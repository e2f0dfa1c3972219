"""What doors know of logins: while the directory restarts, while it is away, and the moment that something is taken back."""

import contextlib
import imaplib
import json
import poplib
import smtplib
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.test_logins import DOORS, LATER, WRONG, command, unchecked
from tests.support.managesieve import ManageSieve
from tests.support.platform import Account, Platform


def everywhere(platform: Platform, person: Account, *passwords: str) -> dict[tuple[str, str], str]:
    """What each door says to each password, all of them asked at once."""
    with ThreadPoolExecutor(2 * len(DOORS)) as pool:
        said = {
            (door, password): pool.submit(log_in, platform, person.address, password)
            for door, log_in in DOORS.items()
            for password in passwords
        }
        return {asked: each.result() for asked, each in said.items()}


def is_in_everywhere(platform: Platform, person: Account) -> bool:
    return set(everywhere(platform, person, person.password).values()) == {"in"}


def test_logins_wait_for_a_directory_that_restarts(platform: Platform) -> None:
    # Nobody has logged in as this one: nothing is remembered anywhere.
    person = platform.create_account("patient")
    platform.kill("directory")
    assert is_in_everywhere(platform, person)


def test_while_the_directory_is_away_nobody_comes_in(platform: Platform) -> None:
    person = platform.create_account("locked-out")
    with platform.held_down("directory"):
        for (door, _), said in everywhere(platform, person, person.password, "a wrong password").items():
            assert said.startswith(LATER[door]), (door, said)
    deadline = time.monotonic() + 30
    while not is_in_everywhere(platform, person):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_is_taken_back_is_gone_at_every_door_at_once(platform: Platform) -> None:
    person = platform.create_account("revoked")
    # Now every door remembers a yes.
    assert is_in_everywhere(platform, person)
    platform.choose(f"accounts/{person.address}", suspended=True)
    for (door, _), said in everywhere(platform, person, person.password).items():
        assert said.startswith(WRONG[door]), (door, said)
    platform.choose(f"accounts/{person.address}", suspended=False)
    assert is_in_everywhere(platform, person)
    platform.choose(f"accounts/{person.address}", password="another good password")
    for (door, password), said in everywhere(
        platform, person, "another good password", person.password
    ).items():
        if password == person.password:
            assert said.startswith(WRONG[door]), (door, said)
        else:
            assert said == "in", (door, said)


def opened(platform: Platform, address: str, password: str) -> dict[str, socket.socket]:
    """A session at each door, logged in, as the octets that follow come."""
    ports = platform.ports
    imap = imaplib.IMAP4_SSL("127.0.0.1", ports.imaps, ssl_context=unchecked())
    imap.login(address, password)
    imap.select("INBOX")
    imap.send(b"i IDLE\r\n")
    assert imap.readline().startswith(b"+")
    pop3 = poplib.POP3_SSL("127.0.0.1", ports.pop3s, context=unchecked())
    pop3.user(address)
    pop3.pass_(password)
    smtp = smtplib.SMTP_SSL("127.0.0.1", ports.submissions, context=unchecked())
    smtp.login(address, password)
    smtp.mail(address)
    sieve = ManageSieve(ports.managesieve, address, password)
    assert smtp.sock is not None
    return {"imap": imap.sock, "pop3": pop3.sock, "smtp": smtp.sock, "sieve": sieve._socket}


def assert_ended(sessions: dict[str, socket.socket]) -> None:
    for session in sessions.values():
        session.settimeout(20)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while session.recv(4096):
                continue
        session.close()


def assert_open(sessions: dict[str, socket.socket]) -> None:
    for door, session in sessions.items():
        session.settimeout(0.01)
        with pytest.raises(TimeoutError):
            assert session.recv(1), (door, "it ended too")
        session.close()


def test_sessions_of_an_account_that_is_suspended_end(platform: Platform) -> None:
    person, other = platform.create_account("thrown-out"), platform.create_account("stays-in")
    sessions = opened(platform, person.address, person.password)
    others = opened(platform, other.address, other.password)
    platform.choose(f"accounts/{person.address}", suspended=True)
    assert_ended(sessions)
    assert_open(others)


def test_sessions_of_an_app_password_that_is_taken_away_end(platform: Platform) -> None:
    person = platform.create_account("lost-a-telephone")
    made = json.loads(
        command(platform, "account", "app-password", "create", person.address, "telephone", "--json")
    )
    lost = opened(platform, person.address, made["password"])
    # One session a maildrop.
    lost["pop3"].sendall(b"QUIT\r\n")
    assert_ended({"pop3": lost.pop("pop3")})
    others = opened(platform, person.address, person.password)
    command(platform, "account", "app-password", "delete", person.address, made["app_password_id"])
    assert_ended(lost)
    assert_open(others)
