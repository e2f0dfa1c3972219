"""The message that arrives is byte for byte the message sent, after the trace fields."""

import imaplib
import smtplib
import time

import pytest

from tests.e2e.letters import Sent, after_trace, every_kind, plain
from tests.support.platform import Platform

STRANGER = "stranger@peer.invalid"
KINDS = every_kind(STRANGER, "bob@example.test")


def send_raw(platform: Platform, sender: str, recipients: list[str], content: bytes) -> None:
    """DATA with our own dot-stuffing, so that nothing is 'normalised' on the way."""
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.ehlo("client.invalid")
        session.mail(sender, ["BODY=8BITMIME"])
        for recipient in recipients:
            assert session.rcpt(recipient)[0] == 250
        assert session.docmd("DATA")[0] == 354
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        session.send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        assert session.getreply()[0] == 250


def fetch(platform: Platform, login: str, password: str, name: str) -> bytes:
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(login, password)
        for _ in range(600):
            session.select("INBOX", readonly=True)
            _, found = session.search(None, "HEADER", "Message-ID", f"<{name}@e2e.invalid>")
            if found[0]:
                assert len(found[0].split()) == 1, "it arrived more than once"
                _, data = session.fetch(found[0].decode(), "(RFC822.SIZE BODY.PEEK[])")
                assert isinstance(data[0], tuple)
                assert b"RFC822.SIZE %d" % len(data[0][1]) in data[0][0]
                return data[0][1]
            time.sleep(0.05)
    raise AssertionError(f"{name} did not arrive")


@pytest.mark.parametrize("letter", KINDS, ids=[kind.name for kind in KINDS])
def test_each_kind_arrives_as_it_was_sent(platform: Platform, letter: Sent) -> None:
    bob = platform.account("bob")
    send_raw(platform, STRANGER, [bob.address], letter.content)
    after_trace(fetch(platform, bob.address, bob.password, letter.name), letter.content)


def test_no_final_newline_gets_the_one_that_smtp_demands(platform: Platform) -> None:
    bob = platform.account("bob")
    letter = plain("no-final-newline", STRANGER, bob.address, b"the end")
    send_raw(platform, STRANGER, [bob.address], letter.content)
    # RFC 5321 §4.1.1.4: the CRLF before the dot belongs to the message.
    after_trace(fetch(platform, bob.address, bob.password, letter.name), letter.content + b"\r\n")


def test_a_blind_copy_arrives_and_shows_nobody(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    letter = plain("blind", STRANGER, alice.address, b"bob is not named here\r\n")
    send_raw(platform, STRANGER, [alice.address, bob.address], letter.content)
    for reader, other in ((alice, bob), (bob, alice)):
        arrived = fetch(platform, reader.address, reader.password, "blind")
        after_trace(arrived, letter.content)
        trace = arrived[: -len(letter.content)]
        assert other.address.encode() not in trace, "a recipient is shown to another"


def test_a_hundred_recipients_each_get_one(platform: Platform) -> None:
    readers = platform.create_accounts([f"many{number:03d}" for number in range(100)])
    letter = plain("hundred", STRANGER, "everybody@example.test")
    send_raw(platform, STRANGER, [reader.address for reader in readers], letter.content)
    for reader in readers:
        after_trace(fetch(platform, reader.address, reader.password, "hundred"), letter.content)
