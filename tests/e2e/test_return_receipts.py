"""Return receipts (RFC 8098): a reader who always allows them opens a message, and its sender hears of it once."""

import email
import imaplib
import smtplib

from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Account, Platform


def ask(platform: Platform, sender: Account, reader: Account, name: str) -> None:
    content = plain(name, sender.address, reader.address).content
    request = f"Disposition-Notification-To: <{sender.address}>\r\n".encode()
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.sendmail(sender.address, [reader.address], request + content)


def keywords_of(session: imaplib.IMAP4, subject: str) -> bytes:
    session.select("INBOX")
    _, [found] = session.search(None, "SUBJECT", f'"{subject}"')
    _, data = session.fetch(found.split()[0].decode(), "(FLAGS)")
    assert isinstance(data[0], bytes)
    return data[0]


def test_what_is_opened_is_told_once_and_what_is_not_to_be_told_is_not(platform: Platform) -> None:
    sender, open_one, closed_one = platform.create_accounts(["curious", "open-book", "closed-book"])
    platform.choose(f"accounts/{open_one.address}/settings", mdn="always")
    platform.choose(f"accounts/{closed_one.address}/settings", mdn="never")
    for reader in (open_one, closed_one):
        ask(platform, sender, reader, f"did-you-read-{reader.address.partition('@')[0]}")
        wait_for_subject(platform, reader.address, reader.password, "did-you-read")
    # To peek is not to open.
    for reader in (closed_one, open_one):
        with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
            session.login(reader.address, reader.password)
            assert (b"$MDNSent" in keywords_of(session, "did-you-read")) is (reader is closed_one)
            for _ in range(2):
                assert session.fetch("1", "(BODY[])")[0] == "OK"
                assert session.store("1", "-FLAGS", "(\\Seen)")[0] == "OK"
    told = email.message_from_bytes(wait_for_subject(platform, sender.address, sender.password, "Read"))
    assert (told["Return-Path"], told["From"]) == ("<>", open_one.address)
    assert told.get_param("report-type") == "disposition-notification"
    assert told["In-Reply-To"] == "<did-you-read-open-book@e2e.invalid>"
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(open_one.address, open_one.password)
        assert b"$MDNSent" in keywords_of(session, "did-you-read")
    # What comes after is there before a second notification could be missed.
    ask(platform, open_one, sender, "afterwards")
    wait_for_subject(platform, sender.address, sender.password, "afterwards")
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(sender.address, sender.password)
        assert session.select("INBOX")[1] == [b"2"]
