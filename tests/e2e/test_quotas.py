"""A mailbox fills up: its owner is warned, its senders hear of it, and there is room again after a look at the trash."""

import imaplib
import smtplib
import time

import pytest

from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Account, Platform

KIB = 1024


def send(platform: Platform, sender: str, recipient: str, name: str, octets: int, *others: str) -> None:
    text = (b"x" * 70 + b"\r\n") * (octets // 72)
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        # Without EHLO nobody says beforehand how large it is.
        session.helo()
        session.sendmail(sender, [recipient, *others], plain(name, sender, recipient, text).content)


def refused_at_rcpt(platform: Platform, recipient: str, *options: str) -> tuple[int, bytes]:
    """The answer to RCPT, once it is a refusal."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
            session.ehlo()
            session.mail("someone@peer.invalid", options)
            code, text = session.rcpt(recipient)
        if code != 250:
            return code, text
        time.sleep(0.05)
    raise AssertionError("a full mailbox is still offered")


def append(platform: Platform, account: Account, content: bytes) -> str:
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(account.address, account.password)
        return session.append("INBOX", "", imaplib.Time2Internaldate(0), content)[0]


def test_a_mailbox_that_is_full(platform: Platform) -> None:
    hoarder, sender = platform.create_account("hoarder"), platform.create_account("generous")
    platform.choose(f"accounts/{hoarder.address}/settings", quota_octets=100 * KIB)
    assert append(platform, hoarder, plain("own", "a@b.test", hoarder.address).content) == "OK"
    send(platform, sender.address, hoarder.address, "first gift", 90 * KIB)
    # Once it is so full the owner hears of it (a notice may go a little beyond the limit).
    warning = wait_for_subject(platform, hoarder.address, hoarder.password, "Your mailbox is nearly full")
    assert b"KiB of 100 KiB" in warning
    # One that is too large is refused, by what it says or when it has come; for two, one of whom has room, it comes in, and
    # its sender is told.
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(platform, sender.address, hoarder.address, "too large a gift", 60 * KIB)
    assert refused.value.smtp_code == 452
    send(platform, sender.address, hoarder.address, "a gift for two", 60 * KIB, sender.address)
    bounce = wait_for_subject(platform, sender.address, sender.password, "Undelivered mail")
    assert b"Status: 5.2.2" in bounce
    assert refused_at_rcpt(platform, hoarder.address, "size=60000")[0] == 452
    assert append(platform, hoarder, b"Subject: x\r\n\r\n" + b"y" * 20 * KIB) == "NO"
    # Nothing fits any more, and the door knows.
    platform.choose(f"accounts/{hoarder.address}/settings", quota_octets=90 * KIB)
    send(platform, sender.address, hoarder.address, "last gift", 100)
    code, text = refused_at_rcpt(platform, hoarder.address)
    assert (code, text[:5]) == (452, b"4.2.2")
