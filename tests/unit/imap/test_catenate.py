"""CATENATE (RFC 4469): messages from literals and from parts of others."""

from contextlib import closing

import pytest
from mailproto.imap.urls import UrlInvalid, parse_url

from tests.support.imap_memory import Client, Imap

MESSAGE = (
    "Subject: parts\nContent-Type: multipart/mixed; boundary=b\n\n"
    "--b\nContent-Type: text/plain\n\none\n--b\nContent-Type: text/plain\n\ntwo two\n--b--\n"
)


def literal(text: bytes) -> bytes:
    return b"{%d+}\r\n%b" % (len(text), text)


def body(client: Client, number: int) -> str:
    said = client.exchange(b"f FETCH %d BODY.PEEK[]\r\n" % number).decode()
    return said.split("}\r\n", 1)[1].rsplit(")\r\nf OK", 1)[0]


@pytest.fixture
def alice(imap: Imap) -> Client:
    client = imap.client(select="INBOX")
    client.append(MESSAGE)
    client.say("NOOP")
    return client


def test_texts_and_urls_in_their_order(alice: Client) -> None:
    validity = alice.say("STATUS INBOX (UIDVALIDITY)")[0].split("UIDVALIDITY ")[1].rstrip(")")
    command = (
        b'APPEND INBOX (\\Draft) CATENATE (URL "/INBOX;UIDVALIDITY=%b/;UID=1/;SECTION=HEADER" TEXT %b'
        b' URL "/INBOX/;UID=1/;SECTION=2/;PARTIAL=4.3" URL "/INBOX/;UID=1;SECTION=1.MIME"'
        b' URL "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%%20(Subject)" URL "imap://localhost/INBOX/;UID=1/;SECTION=1")'
    ) % (validity.encode(), literal(b"a text\r\n"))
    assert alice.say(command)[-1].startswith("OK [APPENDUID")
    header = "Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    mime = "Content-Type: text/plain\r\n\r\n"
    assert body(alice, 2) == f"{header}a text\r\ntwo{mime}Subject: parts\r\n\r\none"
    assert "\\Draft" in alice.say("FETCH 2 FLAGS")[0]


def test_a_whole_message_and_several_at_once(alice: Client) -> None:
    command = (
        b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1") CATENATE (TEXT '
        + literal(b"x\r\n")
        + b") "
        + literal(b"y\r\n")
    )
    assert alice.say(command)[-1].startswith("OK [APPENDUID")
    assert body(alice, 2) == MESSAGE.replace("\n", "\r\n")
    assert (body(alice, 3), body(alice, 4)) == ("x\r\n", "y\r\n")


def test_it_replaces_too(alice: Client) -> None:
    assert alice.say(b'REPLACE 1 INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=1")')[-1].startswith("OK")
    assert body(alice, 1) == "one"


@pytest.mark.parametrize(
    "url",
    [
        "/INBOX/;UID=7",
        "/INBOX;UIDVALIDITY=1/;UID=1",
        "/Nowhere/;UID=1",
        "/INBOX/;UID=1/;SECTION=9",
        "/INBOX/;UID=1/;SECTION=nonsense",
        "/INBOX",
        "imap://elsewhere.test/INBOX/;UID=1",
        "http://localhost/INBOX/;UID=1",
        "/INBOX/;UID=1/;SECTION=1;URLAUTH=anonymous:internal:0123",
        "/%FF/;UID=1",
        "/" + "x" * 9000,
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_appended(alice: Client, url: str) -> None:
    answer = alice.say(b'APPEND INBOX CATENATE (TEXT %b URL "%b")' % (literal(b"x"), url.encode()))[-1]
    assert answer.startswith(f'NO [BADURL "{url}"]')
    assert alice.say("STATUS INBOX (MESSAGES)")[0].endswith("(MESSAGES 1)")


@pytest.mark.parametrize(
    "command", ["CATENATE ()", "CATENATE (TEXT x)", 'CATENATE (URI "x")', "CATENATE (TEXT {1+}\r\nx"]
)
def test_what_is_no_catenation(alice: Client, command: str) -> None:
    assert alice.say(f"APPEND INBOX {command}")[-1].startswith("BAD")


def test_many_urls_do_not_make_a_message_larger_than_may_be(alice: Client) -> None:
    small = Imap(append_octets=70_000)
    client = small.client(select="INBOX")
    client.append("x" * 30_000 + "\n")
    urls = " ".join(['URL "/INBOX/;UID=1"'] * 3)
    assert client.say(f"APPEND INBOX CATENATE ({urls})")[-1].startswith("NO [TOOBIG]")
    small.close()


def test_anothers_message_is_not_there(imap: Imap, alice: Client) -> None:
    bob = imap.client("bob")
    assert bob.say('APPEND INBOX CATENATE (URL "/INBOX/;UID=1")')[-1].startswith("NO [BADURL")


def test_urls() -> None:
    url = parse_url(
        "imap://alice;AUTH=*@mail.test:143/a%20b/c;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.1024"
    )
    assert (url.user, url.host, url.mailbox, url.uid_validity, url.uid) == (
        "alice",
        "mail.test",
        "a b/c",
        3,
        20,
    )
    assert (url.section.part, url.section.partial, url.rest) == ((1, 2), (0, 1024), "")
    for text in (
        "",
        "/INBOX",
        "/INBOX/;UID=0",
        "/;UID=",
        "/x/;UID=1/;SECTION=1]",
        "/x/;UID=1/;SECTION=1%0D%0A",
    ):
        with pytest.raises(UrlInvalid):
            parse_url(text)


def test_a_part_in_utf8(alice: Client) -> None:
    """cat-part =/ utf8-literal (RFC 6855 §4)."""
    header = "Subject: grüße\r\n\r\n".encode()
    words = b"UTF8 (~" + literal(header) + b") TEXT " + literal(b"x")
    assert alice.say(b"APPEND INBOX CATENATE (" + words + b")")[-1].startswith("OK [APPENDUID")
    alice.say("NOOP")
    assert alice.say("SEARCH CHARSET UTF-8 SUBJECT grüße")[0] == "* SEARCH 2"
    for wrong in (b"UTF8 (" + literal(b"x") + b")", b"UTF8 ~" + literal(b"x"), b"UTF8 (~" + literal(b"x")):
        assert alice.say(b"APPEND INBOX CATENATE (" + wrong + b")")[-1].startswith("BAD")


def test_all_messages_of_a_command_are_no_longer_than_one_may_be() -> None:
    with closing(Imap(append_octets=100_000)) as imap:
        client = imap.client(select="INBOX")
        assert client.append("Subject: x\n\n" + "z" * 40_000).startswith("OK")
        whole = ' CATENATE (URL "/INBOX/;UID=1")'
        assert client.say("APPEND INBOX" + 3 * whole) == ["NO [TOOBIG] The message would be too large"]
        assert client.say("APPEND INBOX" + 2 * whole)[-1].startswith("OK")
        assert "* STATUS INBOX (MESSAGES 3)" in client.say("STATUS INBOX (MESSAGES)")
