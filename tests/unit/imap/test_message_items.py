"""What can be asked of a message beyond IMAP4rev1: PREVIEW, EMAILID, SAVEDATE; REPLACE."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap.core.markup import from_html
from imap.core.preview import CHARACTERS, from_plain, shorten

from tests.support.imap_memory import Imap


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        ("<p>Hello&nbsp;<b>you</b></p>", "Hello you"),
        ("<head><title>t</title><style>p { x }</style></head><body>text</body>", "text"),
        ("<header>kept</header>", "kept"),
        ("a<script>alert('<p>')</script>b", "a b"),
        ("<!-- <p>not</p> -->yes<!-- open", "yes"),
        ("1 &lt; 2 <br/>", "1 < 2"),
        ("<style>never ends", ""),
    ],
)
def test_what_html_shows(markup: str, seen: str) -> None:
    assert shorten(from_html(markup)) == seen


def test_quotations_are_left_out_unless_there_is_nothing_else() -> None:
    assert shorten(from_plain("> you wrote\n\nI answer\n> more")) == "I answer"
    assert shorten(from_plain("> only this\n> and this")) == "only this and this"


@given(st.text(max_size=1000))
def test_a_preview_is_one_short_line(text: str) -> None:
    for made in (shorten(from_plain(text)), shorten(from_html(text))):
        assert len(made) <= CHARACTERS
        assert made.isprintable()


def test_hostile_markup_takes_no_longer_than_its_length() -> None:
    for markup in ("<" * 50_000, "<!--" * 20_000, "<style" * 10_000, "<style>" * 10_000):
        shorten(from_html(markup))


def test_previews(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append("Content-Type: text/plain; charset=utf-8\n\nGrüße\nan   alle\n")
    html = base64.b64encode(b"<p>Only <i>this</i></p>")
    client.append(
        b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=cut\r\n\r\n--cut\r\nContent-Type: text/html\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + html + b"\r\n--cut--\r\n"
    )
    client.append("Content-Type: image/png\n\nxx\n")
    client.say("NOOP")
    assert "PREVIEW {15}\r\nGrüße an alle)".encode() in client.raw("FETCH 1 (PREVIEW)")
    assert client.say("FETCH 2 (UID PREVIEW)")[0] == '* 2 FETCH (UID 2 PREVIEW "Only this")'
    assert client.say("FETCH 3 PREVIEW")[0] == '* 3 FETCH (PREVIEW "")'
    assert client.say("FETCH 1:2 (PREVIEW (LAZY))")[:2] == [
        "* 1 FETCH (PREVIEW NIL)",
        "* 2 FETCH (PREVIEW NIL)",
    ]
    assert client.say("FETCH 1 (PREVIEW (HASTY))")[-1].startswith("BAD")


def test_object_ids_stay(imap: Imap) -> None:
    client = imap.client()
    made = client.say("CREATE Old")[-1].split("MAILBOXID (")[1].split(")")[0]
    client.append("Subject: x\n\nx\n")
    client.say("SELECT INBOX")
    client.say("RENAME Old New")
    assert client.say("STATUS New (MAILBOXID)")[0] == f"* STATUS New (MAILBOXID ({made}))"
    email = client.say("FETCH 1 EMAILID")[0].split("EMAILID (")[1].split(")")[0]
    assert client.say(f"SEARCH EMAILID {email}")[0] == "* SEARCH 1"
    assert client.say("SEARCH EMAILID Mnone")[0] == "* SEARCH"
    assert client.say("SEARCH NOT THREADID Tnone")[0] == "* SEARCH 1"
    client.say("MOVE 1 New")
    told = client.say("SELECT New")
    assert f"* OK [MAILBOXID ({made})] The mailbox" in told
    assert client.say("FETCH 1 EMAILID")[0] == f"* 1 FETCH (EMAILID ({email}))"


def test_answers_have_the_thread_of_what_they_answer(imap: Imap) -> None:
    client = imap.client()
    client.append("Message-ID: <a@x>\n\nx\n")
    client.append("Message-ID: <b@x>\nReferences: <a@x>\n\nx\n")
    client.append("Message-ID: <c@x>\n\nx\n")
    client.say("SELECT INBOX")
    threads = [line.split("THREADID (")[1].rstrip(")") for line in client.say("FETCH 1:* THREADID")[:-1]]
    assert threads[0] == threads[1] != threads[2]
    assert client.say(f"SEARCH THREADID {threads[0]}")[0] == "* SEARCH 1 2"
    assert client.say(f"SEARCH NOT THREADID {threads[0]} EMAILID M0")[0] == "* SEARCH"
    client.say("COPY 2 Archive")
    client.say("SELECT Archive")
    assert client.say("UID FETCH 1 THREADID")[0].endswith(f"THREADID ({threads[0]}))")


def test_when_a_message_was_saved(imap: Imap) -> None:
    client = imap.client()
    client.append("Subject: x\n\nx\n")
    imap.store.now = datetime(2027, 3, 4, 23, 59, tzinfo=UTC)
    client.say("SELECT INBOX")
    client.say("COPY 1 Archive")
    client.say("SELECT Archive")
    assert client.say("FETCH 1 SAVEDATE")[0] == '* 1 FETCH (SAVEDATE "04-Mar-2027 23:59:00 +0000")'
    for key, found in (
        ("SAVEDON 4-Mar-2027", " 1"),
        ("SAVEDBEFORE 4-Mar-2027", ""),
        ("SAVEDSINCE 4-Mar-2027", " 1"),
        ("SAVEDATESUPPORTED", " 1"),
    ):
        assert client.say(f"SEARCH {key}")[0] == f"* SEARCH{found}"


def test_replace(imap: Imap) -> None:
    client = imap.client()
    for subject in ("one", "two"):
        client.append(f"Subject: {subject}\n\nx\n", "Drafts")
    other = imap.client(select="Drafts")
    client.say("SELECT Drafts")
    assert client.say("REPLACE 1 Drafts (\\Draft) {3+}\r\nnew") == [
        "* OK [APPENDUID 1700000002 3] The new message is there",
        "* 1 EXPUNGE",
        "* 2 EXISTS",
        "* 1 RECENT",
        "OK REPLACE completed",
    ]
    assert other.say("NOOP")[0] == "* 1 EXPUNGE"
    assert client.say("UID REPLACE 3 Sent {4+}\r\nsent")[-1] == "OK REPLACE completed"
    assert client.say("UID REPLACE 3 Sent {4+}\r\nsent")[-1].startswith("NO [NONEXISTENT]")
    assert client.say("UID REPLACE 2 Nowhere {4+}\r\nsent")[-1].startswith("NO [TRYCREATE]")
    assert client.say("UID REPLACE 1:2 Sent {4+}\r\nsent")[-1].startswith("BAD")
    assert client.say("UID SEARCH ALL")[0] == "* SEARCH 2"
    assert client.say("STATUS Sent (MESSAGES)")[0] == "* STATUS Sent (MESSAGES 1)"
