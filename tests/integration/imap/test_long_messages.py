"""Long messages on the real object storage; parts of others' messages."""

import hashlib

from tests.support.imap_memory import Imap

HEAD = b"Subject: large\r\nContent-Type: application/octet-stream\r\n\r\n"


def test_a_long_message_comes_back_as_it_went(imap: Imap) -> None:
    # More than one part of an upload, and no multiple of anything.
    content = (
        HEAD + b"".join(b"line %09d\r\n" % number for number in range(1_100_000))[: 17 * 1024 * 1024 + 321]
    )
    client = imap.client("alice@a.test", select="INBOX")
    assert client.say(b"APPEND INBOX {%d+}\r\n%b" % (len(content), content))[-1].startswith("OK [APPENDUID")
    assert client.say("FETCH 1 RFC822.SIZE")[0] == f"* 1 FETCH (RFC822.SIZE {len(content)})"
    said = client.raw("FETCH 1 BODY.PEEK[]").split(b"\r\n", 1)[1]
    assert hashlib.sha256(said[: len(content)]).digest() == hashlib.sha256(content).digest()
    # Made of itself twice: read while it is written.
    url = b'URL "/INBOX/;UID=1/;SECTION=TEXT"'
    assert client.say(b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1" %b)' % url)[-1].startswith("OK [APPENDUID")
    twice = len(content) * 2 - len(HEAD)
    assert client.say("FETCH 2 RFC822.SIZE")[0] == f"* 2 FETCH (RFC822.SIZE {twice})"
    assert client.raw(b"FETCH 2 BODY.PEEK[]<%d.100>" % (twice - 100)).count(content[-100:]) == 1


def test_parts_of_anothers_message_need_the_right_to_read(imap: Imap) -> None:
    bob, alice = imap.client("bob@a.test"), imap.client("alice@a.test")
    bob.append("Subject: x\n\nfrom bob\n")
    url = 'URL "/Other%20Users/bob@a.test/INBOX/;UID=1/;SECTION=TEXT"'
    bob.say("SETACL INBOX alice@a.test l")
    assert alice.say(f"APPEND INBOX CATENATE ({url})")[-1].startswith("NO [BADURL")
    bob.say("SETACL INBOX alice@a.test lr")
    assert alice.say(f"APPEND INBOX CATENATE ({url})")[-1].startswith("OK")
    alice.say("SELECT INBOX")
    assert "from bob" in "".join(alice.say("FETCH 1 BODY[]"))
