"""Messages that are made to hurt are delivered as they are, and described as far as that makes sense. (One of 500,000 header
fields is refused at the door: a header has a budget there.)"""

import imaplib
import smtplib
import time

from tests.support.platform import Platform
from tests.unit.mailmsg.test_hostile import HOSTILE

NAMES = ("depth", "nested messages", "million parts")


def test_bombs_reach_their_mailbox(platform: Platform) -> None:
    user = platform.create_account("bombed")
    sizes = {}
    for name in NAMES:
        content = f"Subject: {name}\r\nFrom: eve@peer.invalid\r\n".encode() + HOSTILE[name] + b"\r\n"
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
            session.sendmail("eve@peer.invalid", [user.address], content)
        sizes[name] = len(content)
    deadline = time.monotonic() + 60
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(user.address, user.password)
        while session.select("INBOX", readonly=True)[1] != [b"%d" % len(NAMES)]:
            assert time.monotonic() < deadline, "they were not delivered"
            time.sleep(0.1)
        answer, found = session.fetch("1:*", "(RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    assert answer == "OK"
    said = b"\n".join(
        each if isinstance(each, bytes) else b"".join(each) for each in found if each is not None
    )
    for name, size in sizes.items():
        assert f'"{name}"'.encode() in said
        [line] = [each for each in said.split(b"\n") if f'"{name}"'.encode() in each]
        # What stands before it is ours.
        octets = int(line.split(b"RFC822.SIZE ")[1].split(b" ")[0].rstrip(b")"))
        assert size < octets < size + 10_000
    assert said.count(b'"OCTET-STREAM"') >= 1
