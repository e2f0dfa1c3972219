"""IMAP against a live installation: the RFC's own session, two sessions on one mailbox, every kind of command."""

import asyncio
import imaplib
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.support.dialogue import load, play_live
from tests.support.platform import Account, Platform

GOLDEN = Path(__file__).parent.parent / "conformance" / "imap" / "rfc3501-section-8.txt"
GRAY = (
    b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
    b"From: Terry Gray <gray@cac.washington.edu>\r\n"
    b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
    b"To: imap@cac.washington.edu\r\n"
    b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
    b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"
)
MIME = (
    b"From: a@b.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n'
    b"--cut\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"UGZlcmRlIHNpbmQgbcO8ZGU=\r\n"
    b"--cut\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner\r\n\r\ninner text\r\n"
    b"--cut--\r\n"
)


def client(platform: Platform, account: Account) -> IMAPClient:
    session = IMAPClient("127.0.0.1", port=platform.ports.imap, ssl=False, use_uid=True)
    session.login(account.address, account.password)
    return session


def test_the_sample_connection_of_rfc_3501(platform: Platform) -> None:
    account = platform.create_account("mrc")
    body_octets = 4286 - len(GRAY)
    gray = GRAY + (b"minutes\r\n" * 1000)[: body_octets - 2] + b"\r\n"
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(account.address, account.password)
        for number in range(1, 19):
            flags = "(\\Seen)" if number < 17 else "()"
            content = gray if number == 12 else b"Subject: %d\r\n\r\nx\r\n" % number
            session.append("INBOX", flags, '"17-Jul-1996 02:44:25 -0700"', content)
    asyncio.run(
        play_live(
            load(GOLDEN),
            "127.0.0.1",
            platform.ports.imap,
            substitutions={"login": account.address, "password": account.password},
        )
    )


def test_mime_parts_headers_and_partials(platform: Platform) -> None:
    account = platform.create_account("parts")
    with client(platform, account) as session:
        session.append("INBOX", MIME)
        session.select_folder("INBOX")
        [uid] = session.search()
        got = session.fetch(
            [uid],
            [
                *("BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[2.HEADER]", "BODY.PEEK[2.TEXT]"),
                *(
                    "BODY.PEEK[TEXT]<0.5>",
                    "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
                    "BODY.PEEK[9]",
                    "RFC822.SIZE",
                ),
            ],
        )[uid]
        assert got[b"BODY[1]"] == b"UGZlcmRlIHNpbmQgbcO8ZGU="
        assert got[b"BODY[1.MIME]"].startswith(b"Content-Type: text/plain; charset=utf-8\r\n")
        assert got[b"BODY[2.HEADER]"] == b"Subject: inner\r\n\r\n"
        assert got[b"BODY[2.TEXT]"] == b"inner text"
        assert got[b"BODY[TEXT]<0>"] == b"--cut"
        assert got[b"BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n"
        assert got[b"BODY[9]"] is None
        assert got[b"RFC822.SIZE"] == len(MIME)
        structure = session.fetch([uid], ["BODYSTRUCTURE"])[uid][b"BODYSTRUCTURE"]
        assert structure.is_multipart
        assert b"\\Seen" not in session.get_flags([uid])[uid]
        session.fetch([uid], ["BODY[]"])
        assert b"\\Seen" in session.get_flags([uid])[uid]


def test_search_finds_what_it_should(platform: Platform) -> None:
    account = platform.create_account("searcher")
    with client(platform, account) as session:
        old = datetime(2020, 2, 1, 12, tzinfo=UTC)
        session.append("INBOX", MIME, flags=[b"\\Flagged", b"$Work"], msg_time=old)
        session.append(
            "INBOX", b"From: carol@x.test\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\nplain body\r\n"
        )
        session.append("INBOX", b"Subject: third\r\nX-Kind: odd\r\n\r\n" + b"x" * 5000 + b"\r\n")
        session.select_folder("INBOX")

        def found(*criteria: object) -> list[int]:
            return list(session.search(list(criteria), charset="UTF-8"))

        assert found("ALL") == [1, 2, 3]
        assert found("FLAGGED") == [1]
        assert found("KEYWORD", "$work") == [1]
        assert found("SUBJECT", "grüße") == [1]
        assert found("BODY", "müde") == [1]
        assert found("TEXT", "inner text") == [1], "a nested message's text is text of the message"
        assert found("TEXT", "PLAIN BODY") == [2]
        assert found("FROM", "carol") == [2]
        assert found("HEADER", "X-Kind", "odd") == [3]
        assert found("HEADER", "X-Kind", "") == [3]
        assert found("SENTON", "2-Mar-2026") == [2]
        assert found("BEFORE", "1-Jan-2021") == [1]
        assert found("LARGER", 4000) == [3]
        assert found("NOT", "FLAGGED", "SMALLER", 4000) == [2]
        assert found("OR", "FLAGGED", "FROM", "carol") == [1, 2]
        assert found("UID", "2:*") == [2, 3]
        with pytest.raises(imaplib.IMAP4.error, match="BADCHARSET"):
            session.search(["TEXT", "x"], charset="KOI8-R")


def test_mailboxes_copies_and_moves(platform: Platform) -> None:
    account = platform.create_account("mover")
    with client(platform, account) as session:
        names = {name: set(flags) for flags, _, name in session.list_folders()}
        assert {"INBOX", "Sent", "Trash", "Junk", "Drafts", "Archive"} <= set(names)
        assert b"\\Sent" in names["Sent"]
        session.create_folder("Entwürfe & mehr/Tief")
        assert "Entwürfe & mehr/Tief" in [name for _, _, name in session.list_folders()]
        assert [name for _, _, name in session.list_folders(pattern="Entw%")] == ["Entwürfe & mehr"]
        session.append("INBOX", b"Subject: one\r\n\r\n1\r\n", flags=[b"\\Seen"])
        session.append("INBOX", b"Subject: two\r\n\r\n2\r\n")
        session.select_folder("INBOX")
        session.copy([1, 2], "Archive")
        assert session._imap.response("COPYUID")[1][0].split()[1:] == [b"1:2", b"1:2"]
        session.move([1], "Entwürfe & mehr/Tief")
        assert session.search() == [2]
        with pytest.raises(imaplib.IMAP4.error, match="TRYCREATE"):
            session.copy([2], "Nowhere")
        session.add_flags([2], [b"\\Deleted"])
        session.expunge()
        assert session.search() == []
        status = session.folder_status("Archive", ["MESSAGES", "UNSEEN", "UIDNEXT", "SIZE"])
        assert (status[b"MESSAGES"], status[b"UNSEEN"], status[b"UIDNEXT"]) == (2, 1, 3)
        session.rename_folder("Entwürfe & mehr", "Neu")
        assert session.folder_status("Neu/Tief", ["MESSAGES"])[b"MESSAGES"] == 1
        session.unsubscribe_folder("Junk")
        assert "Junk" not in [name for _, _, name in session.list_sub_folders()]
        session.delete_folder("Neu/Tief")
        with pytest.raises(imaplib.IMAP4.error):
            session.delete_folder("INBOX")


def test_two_sessions_see_each_others_changes(platform: Platform) -> None:
    account = platform.create_account("twice")
    with client(platform, account) as one, client(platform, account) as two:
        one.append("INBOX", b"Subject: a\r\n\r\na\r\n")
        one.append("INBOX", b"Subject: b\r\n\r\nb\r\n")
        one.select_folder("INBOX")
        two.select_folder("INBOX")
        two.idle()
        one.add_flags([2], [b"\\Answered"])
        one.append("INBOX", b"Subject: c\r\n\r\nc\r\n")
        one.delete_messages([1])
        one.expunge([1])
        heard: list[tuple[object, ...]] = []
        deadline = time.monotonic() + 10
        while (1, b"EXPUNGE") not in [answer[:2] for answer in heard] and time.monotonic() < deadline:
            heard += two.idle_check(timeout=1)
        two.idle_done()
        kinds = [answer[:2] for answer in heard]
        assert (3, b"EXISTS") in kinds
        assert (1, b"EXPUNGE") in kinds
        assert two.search() == [2, 3]
        assert b"\\Answered" in two.get_flags([2])[2]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"a FETCH 1 FLAGS", b"a BAD"),
        (b"a SELECT", b"a BAD"),
        (b"a NOSUCH", b"a BAD"),
        (b"a LOGIN x", b"a BAD"),
        (b'a LIST "" "*', b"a BAD"),
        (b"a STARTTLS x", b"a BAD"),
        (b"a CAPABILITY", b"* CAPABILITY"),
        (b"a NOOP", b"a OK"),
        (b"*", b"* BAD"),
        (b"a LOGIN {999999999}", b"a BAD"),
        (b"a LOGIN " + b"x" * 70_000, b"a BAD [LIMIT]"),
        (b"a APPEND INBOX {99999999999}", b"a NO [TOOBIG]"),
        (b"a AUTHENTICATE NONSENSE", b"a NO"),
    ],
)
def test_before_the_login_nothing_else_is_answered(platform: Platform, line: bytes, answer: bytes) -> None:
    with socket.create_connection(("127.0.0.1", platform.ports.imap), 10) as raw:
        stream = raw.makefile("rwb")
        assert stream.readline().startswith(b"* OK [CAPABILITY")
        stream.write(line + b"\r\n")
        stream.flush()
        assert stream.readline().startswith(answer)
