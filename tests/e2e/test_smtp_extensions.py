"""Extensions of SMTP through a whole installation: chunks, and what a sender wants to be told."""

import smtplib

from imapclient import IMAPClient

from tests.e2e.conftest import Pair
from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Platform


def test_a_message_in_chunks_arrives_as_it_was_sent(platform: Platform) -> None:
    bob = platform.account("bob")
    letter = plain("in-chunks", "x@peer.invalid", bob.address, b"one\r\n.\r\n..two\r\nno line end").content
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.ehlo("client.invalid")
        assert session.has_extn("chunking")
        assert session.mail("x@peer.invalid")[0] == 250
        assert session.rcpt(bob.address)[0] == 250
        for start in range(0, len(letter), 50):
            part = letter[start : start + 50]
            last = " LAST" if start + 50 >= len(letter) else ""
            assert session.sock is not None
            session.sock.sendall(f"BDAT {len(part)}{last}\r\n".encode() + part)
            assert session.getreply()[0] == 250
    arrived = wait_for_subject(platform, bob.address, bob.password, "in-chunks")
    assert arrived.endswith(letter)


def test_a_sender_who_wants_to_know_is_told_of_the_delivery(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.ehlo("client.invalid")
        session.login(alice.address, alice.password)
        session.ehlo("client.invalid")
        assert session.has_extn("dsn")
        assert session.mail(alice.address, ["ret=HDRS", "envid=wanted+2B1"])[0] == 250
        options = ["notify=SUCCESS,FAILURE", f"orcpt=rfc822;{bob.address}"]
        assert session.rcpt(bob.address, options)[0] == 250
        assert session.data(plain("wanted", alice.address, bob.address).content)[0] == 250
    wait_for_subject(platform, bob.address, bob.password, "wanted")
    notice = wait_for_subject(platform, alice.address, alice.password, "Delivered mail")
    for line in (
        b"Return-Path: <>\r\n",
        b"Original-Envelope-Id: wanted+1\r\n",
        b"Action: delivered\r\n",
        f"Original-Recipient: rfc822; {bob.address}\r\n".encode(),
    ):
        assert line in notice


def test_what_a_submitter_left_out_is_there_and_blind_copies_are_not(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    content = f"From: {alice.address}\r\nBcc: {bob.address}\r\nSubject: left-out\r\n\r\ntext\r\n".encode()
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.login(alice.address, alice.password)
        session.sendmail(alice.address, [bob.address], content)
    arrived = wait_for_subject(platform, bob.address, bob.password, "left-out")
    assert b"Bcc" not in arrived
    with IMAPClient("127.0.0.1", port=platform.ports.imap, ssl=False) as session_:
        session_.login(bob.address, bob.password)
        session_.select_folder("INBOX", readonly=True)
        [uid] = session_.search(["SUBJECT", "left-out"])
        envelope = session_.fetch([uid], ["ENVELOPE"])[uid][b"ENVELOPE"]
    assert envelope.date is not None
    domain = alice.address.rpartition("@")[2].encode()
    assert envelope.message_id.endswith(b"@" + domain + b">")
    assert b"Message-ID: " + envelope.message_id + b"\r\n" in arrived


def test_a_user_does_not_write_as_somebody_else(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.login(alice.address, alice.password)
        session.mail(alice.address)
        session.rcpt(bob.address)
        code, text = session.data(plain("forged", bob.address, bob.address).content)
        assert (code, text[:5]) == (550, b"5.7.1")


def test_two_systems_pass_on_what_is_not_ascii_and_tell_what_was_asked(pair: Pair) -> None:
    # Somebody who has had no other notices.
    alice, bob = pair.a.create_account("alice.far"), pair.b.account("bob")
    header = f"From: Alice <{alice.address}>\r\nTo: Bob <{bob.address}>\r\nSubject: far-and-wide\r\nX-Word: Grüße\r\n"
    content = (
        f"{header}Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <far@e2e>\r\n\r\nBücher\r\n".encode()
    )
    with smtplib.SMTP("127.0.0.1", pair.a.ports.submission) as session:
        session.login(alice.address, alice.password)
        options = ["body=8bitmime", "smtputf8", "ret=full"]
        assert session.mail(alice.address, options)[0] == 250
        assert session.rcpt(bob.address, ["notify=SUCCESS"])[0] == 250
        assert session.rcpt("nobody@b.test", ["notify=FAILURE", "orcpt=rfc822;Nobody+2Bx@b.test"])[0] == 250
        assert session.rcpt("silent@b.test", ["notify=NEVER"])[0] == 250
        assert session.data(content)[0] == 250
    arrived = wait_for_subject(pair.b, bob.address, bob.password, "far-and-wide")
    assert arrived.endswith(content)
    # Written by the second system: what it was told by the first.
    assert b" with UTF8SMTP" in arrived
    relayed = wait_for_subject(pair.a, alice.address, alice.password, "Relayed mail")
    assert b"Action: relayed\r\n" in relayed
    assert bob.address.encode() in relayed
    failed = wait_for_subject(pair.a, alice.address, alice.password, "Undelivered mail")
    assert b"Original-Recipient: rfc822; Nobody+x@b.test\r\n" in failed
    assert content in failed, "RET=FULL brings the whole message back"
    assert b"silent@b.test" not in failed + relayed
