"""The four classic scenarios, with clients that people use.

1. two users of one system;
2. two systems, MTA to MTA, found by MX;
3. a sender who submits over a network, with TLS and AUTH;
4. the same, and a reader who pulls, by IMAP IDLE and by POP3.
"""

import imaplib
import os
import poplib
import re
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.e2e.conftest import Pair, needs
from tests.e2e.letters import after_trace, plain
from tests.support.platform import Platform


def relaxed() -> ssl.SSLContext:
    """The embedded certificate is self-signed; what is tested here is that TLS is spoken."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def wait_for_subject(
    platform: Platform, login: str, password: str, subject: str, seconds: float = 30
) -> bytes:
    """The whole message with this subject, once it is in the INBOX."""
    deadline = time.monotonic() + seconds
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(login, password)
        while time.monotonic() < deadline:
            assert session.select("INBOX", readonly=True)[0] == "OK", session.untagged_responses
            _, found = session.search(None, "SUBJECT", f'"{subject}"')
            if found[0]:
                _, data = session.fetch(found[0].split()[0].decode(), "(BODY.PEEK[])")
                assert isinstance(data[0], tuple)
                return data[0][1]
            time.sleep(0.05)
    raise AssertionError(f"{subject} did not arrive within {seconds} s")


@needs("swaks")
@needs("curl")
def test_two_users_of_one_system(platform: Platform) -> None:
    alice, bob = platform.account("alice"), platform.account("bob")
    sent = subprocess.run(
        [
            *("swaks", "--server", f"127.0.0.1:{platform.ports.submission}", "--tls"),
            *("--auth", "PLAIN", "--auth-user", alice.address, "--auth-password", alice.password),
            *(
                "--from",
                alice.address,
                "--to",
                bob.address,
                "--h-Subject",
                "scenario one",
                "--body",
                "horses ready",
            ),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert sent.returncode == 0, sent.stdout
    arrived = wait_for_subject(platform, bob.address, bob.password, "scenario one")
    assert b"horses ready" in arrived
    assert arrived.startswith(b"Return-Path: <" + alice.address.encode())
    listed = subprocess.run(
        [
            *("curl", "--silent", "--show-error", f"imap://127.0.0.1:{platform.ports.imap}/INBOX"),
            *("--user", f"{bob.address}:{bob.password}", "--request", 'SEARCH SUBJECT "scenario one"'),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert listed.returncode == 0, listed.stderr
    assert re.fullmatch(r"\* SEARCH \d+\s*", listed.stdout), listed.stdout


def test_two_systems_mta_to_mta(pair: Pair) -> None:
    writer, reader = pair.a.account("alice"), pair.b.account("bob")
    letter = plain("scenario two", writer.address, reader.address, b"over the road\r\n.dot\r\n")
    with smtplib.SMTP("127.0.0.1", pair.a.ports.submission) as session:
        session.login(writer.address, writer.password)
        session.sendmail(writer.address, [reader.address], letter.content)
    arrived = wait_for_subject(pair.b, reader.address, reader.password, "scenario two")
    after_trace(arrived, letter.content)
    assert arrived.count(b"\r\nReceived: ") == 2, "one trace field for each system"
    assert b"with ESMTPS" in arrived, "STARTTLS is used where it is offered"


def test_unknown_remote_recipient_comes_back_as_a_notice(pair: Pair) -> None:
    writer = pair.a.account("alice")
    letter = plain("scenario bounce", writer.address, f"nobody@{pair.b.domain}")
    with smtplib.SMTP("127.0.0.1", pair.a.ports.submission) as session:
        session.login(writer.address, writer.password)
        session.sendmail(writer.address, [f"nobody@{pair.b.domain}"], letter.content)
    with imaplib.IMAP4("127.0.0.1", pair.a.ports.imap) as session:
        session.login(writer.address, writer.password)
        for _ in range(600):
            assert session.select("INBOX", readonly=True)[0] == "OK", session.untagged_responses
            _, found = session.search(None, "HEADER", "Content-Type", "report-type=delivery-status")
            if found[0]:
                break
            time.sleep(0.05)
        assert found[0], "no delivery status notification came"
        _, data = session.fetch(found[0].split()[-1].decode(), "(BODY.PEEK[])")
    assert isinstance(data[0], tuple)
    notice = data[0][1]
    assert notice.startswith(b"Return-Path: <>\r\n")
    assert b"Final-Recipient: rfc822; nobody@" + pair.b.domain.encode() in notice
    assert b"Action: failed" in notice
    assert b"Status: 5.1.1" in notice
    assert b"scenario bounce" in notice


@needs("swaks")
def test_submission_over_tls_with_auth_is_relayed(pair: Pair) -> None:
    writer, reader = pair.a.account("alice"), pair.b.account("bob")
    sent = subprocess.run(
        [
            *("swaks", "--server", f"127.0.0.1:{pair.a.ports.submissions}", "--tlsc"),
            *("--auth", "LOGIN", "--auth-user", writer.address, "--auth-password", writer.password),
            *(
                "--from",
                writer.address,
                "--to",
                reader.address,
                "--h-Subject",
                "scenario three",
                "--body",
                "by relay",
            ),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert sent.returncode == 0, sent.stdout
    assert b"by relay" in wait_for_subject(pair.b, reader.address, reader.password, "scenario three")


def test_the_reader_idles_and_is_told(pair: Pair) -> None:
    writer, reader = pair.a.account("alice"), pair.b.account("bob")
    with IMAPClient("127.0.0.1", port=pair.b.ports.imaps, ssl=True, ssl_context=relaxed()) as client:
        client.login(reader.address, reader.password)
        before = client.select_folder("INBOX")[b"EXISTS"]
        client.idle()
        letter = plain("scenario four", writer.address, reader.address)
        with smtplib.SMTP_SSL("127.0.0.1", pair.a.ports.submissions, context=relaxed()) as session:
            session.login(writer.address, writer.password)
            session.sendmail(writer.address, [reader.address], letter.content)
        told: list[tuple[object, ...]] = []
        deadline = time.monotonic() + 30
        while (
            not any(answer[:2] == (before + 1, b"EXISTS") for answer in told) and time.monotonic() < deadline
        ):
            told += client.idle_check(timeout=1)
        client.idle_done()
        assert (before + 1, b"EXISTS") in [answer[:2] for answer in told]
        [uid] = client.search(["SUBJECT", "scenario four"])
        after_trace(client.fetch([uid], ["BODY[]"])[uid][b"BODY[]"], letter.content)


def test_the_reader_pulls_by_pop3_and_deletes(pair: Pair) -> None:
    writer, reader = pair.a.account("alice"), pair.b.create_account("popper")
    letter = plain("scenario four pop", writer.address, reader.address, b".\r\nleading dot\r\n")
    with smtplib.SMTP("127.0.0.1", pair.a.ports.submission) as session:
        session.starttls(context=relaxed())
        session.login(writer.address, writer.password)
        session.sendmail(writer.address, [reader.address], letter.content)
    for _ in range(300):
        box = poplib.POP3_SSL("127.0.0.1", pair.b.ports.pop3s, context=relaxed())
        box.user(reader.address)
        box.pass_(reader.password)
        if box.stat()[0]:
            break
        box.quit()
        time.sleep(0.1)
    _, lines, _ = box.retr(1)
    after_trace(b"".join(line + b"\r\n" for line in lines), letter.content)
    box.dele(1)
    box.quit()
    plainly = poplib.POP3("127.0.0.1", pair.b.ports.pop3)
    plainly.user(reader.address)
    plainly.pass_(reader.password)
    assert plainly.stat()[0] == 0
    plainly.quit()


@needs("mbsync", package="isync")
def test_mbsync_mirrors_the_mailbox(platform: Platform, tmp_path: Path) -> None:
    reader = platform.create_account("mirror")
    letters = [plain(f"mirror {number}", "x@peer.invalid", reader.address) for number in range(20)]
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        for letter in letters:
            session.sendmail("x@peer.invalid", [reader.address], letter.content)
    wait_for_subject(platform, reader.address, reader.password, "mirror 19")
    (tmp_path / "mail").mkdir()
    configuration = tmp_path / "mbsyncrc"
    configuration.write_text(
        f"IMAPAccount here\nHost 127.0.0.1\nPort {platform.ports.imap}\nUser {reader.address}\n"
        f"Pass {reader.password}\nSSLType None\nAuthMechs PLAIN LOGIN\n\nIMAPStore far\nAccount here\n\n"
        f"MaildirStore near\nPath {tmp_path}/mail/\nInbox {tmp_path}/mail/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nSyncState *\n"
    )
    done = subprocess.run(
        ["mbsync", "-c", str(configuration), "-a"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    files = list((tmp_path / "mail" / "INBOX").glob("*/*"))
    texts = b"".join(path.read_bytes() for path in files if path.parent.name in ("new", "cur"))
    for letter in letters:
        assert texts.count(b"Subject: " + letter.name.encode() + b"\n") == 1


@needs("getmail", package="getmail6")
def test_getmail_fetches_by_pop3_and_deletes(platform: Platform) -> None:
    reader = platform.create_account("getter")
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        for number in range(5):
            letter = plain(f"getmail {number}", "x@peer.invalid", reader.address)
            session.sendmail("x@peer.invalid", [reader.address], letter.content)
    wait_for_subject(platform, reader.address, reader.password, "getmail 4")
    # getmail delivers no mail as root: then it delivers as nobody, in a folder where that may be.
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        box = Path(folder, "box")
        for path in (box, box / "new", box / "cur", box / "tmp"):
            path.mkdir()
            if root:
                shutil.chown(path, "nobody")
        Path(folder).chmod(0o755)
        Path(folder, "getmailrc").write_text(
            f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {platform.ports.pop3}\n"
            f"username = {reader.address}\npassword = {reader.password}\n\n"
            f"[destination]\ntype = Maildir\npath = {box}/\n{'user = nobody' if root else ''}\n\n"
            "[options]\ndelete = true\nverbose = 0\n"
        )
        done = subprocess.run(
            ["getmail", "--getmaildir", folder, "--rcfile", "getmailrc"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        assert len(list((box / "new").iterdir())) == 5
    maildrop = poplib.POP3("127.0.0.1", platform.ports.pop3)
    maildrop.user(reader.address)
    maildrop.pass_(reader.password)
    assert maildrop.stat() == (0, 0)
    maildrop.quit()


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
def test_a_wrong_password_opens_no_door(platform: Platform, method: str) -> None:
    alice = platform.account("alice")
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.ehlo()
        session.user, session.password = alice.address, "not the password"
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            session.auth(method, getattr(session, f"auth_{method.lower()}"))
        assert refused.value.smtp_code == 535
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as imap, pytest.raises(imaplib.IMAP4.error):
        imap.login(alice.address, "not the password")
    box = poplib.POP3("127.0.0.1", platform.ports.pop3)
    box.user(alice.address)
    with pytest.raises(poplib.error_proto):
        box.pass_("not the password")
    box.quit()
