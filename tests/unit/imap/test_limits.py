"""What one command takes (RFC 9738), that one which takes long says so (RFC 9585), and UTF-8 as it is configured."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from imap.core.progress import Progress
from imap.settings import Settings
from mailproto.imap import commands as c
from mailproto.imap.parse import parse

from tests.support.imap_memory import Imap

LETTER = "Subject: x\n\nx\n"


@pytest.fixture
def limited() -> Iterator[Imap]:
    imap = Imap(message_limit=2)
    yield imap
    imap.close()


def test_of_more_messages_the_last_ones_are_taken(limited: Imap) -> None:
    client = limited.client()
    words = client.say("CAPABILITY")[0].split()
    assert "MESSAGELIMIT=2" in words
    assert not [word for word in words if word.startswith("SAVELIMIT")]
    for _ in range(4):
        client.append(LETTER)
    client.say("SELECT INBOX")
    assert client.say("FETCH 1:* UID") == [
        "* 3 FETCH (UID 3)",
        "* 4 FETCH (UID 4)",
        "OK [MESSAGELIMIT 2 3] FETCH completed",
    ]
    assert client.say("UID FETCH 1:2 UID")[-1] == "OK FETCH completed"
    assert client.say("SEARCH ALL") == ["* SEARCH 3 4", "OK [MESSAGELIMIT 2 3] SEARCH completed"]
    assert client.say("UID SEARCH RETURN (SAVE) ALL")[-1].startswith("OK [MESSAGELIMIT 2 3]")
    assert client.say("UID SEARCH RETURN (COUNT) $")[0].endswith("COUNT 2")
    # §3.2: how to go on with the rest
    assert client.say("UID SEARCH UIDBEFORE 3") == ["* SEARCH 1 2", "OK SEARCH completed"]
    assert client.say("UID SEARCH UIDBEFORE 4 UIDAFTER 2") == ["* SEARCH 3", "OK SEARCH completed"]
    assert client.say("SEARCH UIDBEFORE 1")[0] == client.say("SEARCH UIDAFTER 4294967295")[0] == "* SEARCH"
    assert client.say("SEARCH UIDAFTER 0")[-1].startswith("BAD")
    # §3.3: of a part they would make no sense
    assert client.say("SORT (REVERSE ARRIVAL) UTF-8 ALL")[-1].startswith("NO [MESSAGELIMIT 2]")
    assert client.say("SORT (REVERSE ARRIVAL) UTF-8 2:3")[0] == "* SORT 3 2"
    assert client.say("THREAD REFERENCES UTF-8 1:3")[-1].startswith("NO [MESSAGELIMIT 2]")
    # One page at a time: of all that matches, and no larger one
    page = client.say("UID SEARCH RETURN (PARTIAL 1:2) ALL")
    assert page[0].endswith(" UID PARTIAL (1:2 1:2)")
    assert page[1] == "OK SEARCH completed"
    assert client.say("UID FETCH 1:* (UID) (PARTIAL -4:-3)")[:-1] == [
        "* 1 FETCH (UID 1)",
        "* 2 FETCH (UID 2)",
    ]
    assert client.say("UID SEARCH RETURN (PARTIAL 1:3) ALL")[-1].startswith("NO [MESSAGELIMIT 2]")
    assert client.say("UID FETCH 1:* (UID) (PARTIAL -1:-3)")[-1].startswith("NO [MESSAGELIMIT 2]")
    assert client.say("STORE 1:4 +FLAGS.SILENT (\\Deleted)")[-1] == "OK [MESSAGELIMIT 2 3] STORE completed"
    assert client.say("SEARCH DELETED")[0] == "* SEARCH 3 4"
    client.say("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert client.say("UID EXPUNGE 1:4") == [
        "* 4 EXPUNGE",
        "* 3 EXPUNGE",
        "OK [MESSAGELIMIT 2 3] EXPUNGE completed",
    ]


def test_what_must_all_be_done_or_none(limited: Imap) -> None:
    client = limited.client()
    for _ in range(3):
        client.append(LETTER)
    client.say("SELECT INBOX")
    assert client.say("COPY 1:3 Archive")[-1].startswith("NO [MESSAGELIMIT 2 1]")
    assert client.say("STATUS Archive (MESSAGES)")[0] == "* STATUS Archive (MESSAGES 0)"
    moved = client.say("MOVE 1:3 Archive")
    assert moved[1:] == ["* 3 EXPUNGE", "* 2 EXPUNGE", "OK [MESSAGELIMIT 2 2] MOVE completed"]
    three = b"APPEND INBOX {1+}\r\nx {1+}\r\ny {1+}\r\nz"
    assert client.say(three)[-1].startswith("NO [MESSAGELIMIT 2]")


def test_beside_another_code_it_is_said_before(limited: Imap) -> None:
    """An answer has one code (§3.1)."""
    client = limited.client()
    client.say("ENABLE QRESYNC")
    for _ in range(3):
        client.append(LETTER, flags="(\\Deleted)")
    client.say("SELECT INBOX")
    said = client.say("UID EXPUNGE 1:3")
    assert said[0] == "* VANISHED 2:3"
    assert said[1].startswith("* NO [MESSAGELIMIT 2 2] ")
    assert said[2].startswith("OK [HIGHESTMODSEQ ")


def test_only_what_saves_is_limited() -> None:
    """SAVELIMIT is about COPY and APPEND alone."""
    imap = Imap(save_limit=1)
    try:
        client = imap.client()
        words = client.say("CAPABILITY")[0].split()
        assert [word for word in words if "ELIMIT=" in word] == ["SAVELIMIT=1"]
        for _ in range(2):
            client.append(LETTER)
        client.say("SELECT INBOX")
        assert client.say("COPY 1:2 Archive")[-1].startswith("NO [MESSAGELIMIT 1 1]")
        both = b"APPEND INBOX {1+}\r\nx {1+}\r\ny"
        assert client.say(both)[-1].startswith("NO [MESSAGELIMIT 1]")
        assert len(client.say("FETCH 1:* UID")) == 3
        assert client.say("MOVE 1:2 Archive")[-1] == "OK MOVE completed"
    finally:
        imap.close()


def test_one_limit_or_the_other() -> None:
    with pytest.raises(ValueError, match="save_limit"):
        Settings(message_limit=1000, save_limit=10)


def test_without_a_limit_none_is_told(imap: Imap) -> None:
    assert "LIMIT=2" not in imap.client().say("CAPABILITY")[0]


class _Clock:
    """Calls that are to come, made when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, _seconds: float, call: Callable[[], None]) -> "_Clock":
        self.waiting.append(call)
        return self

    def cancel(self) -> None:
        self.waiting.clear()

    def strike(self) -> None:
        self.waiting.pop()()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("SEARCH TEXT x", True),
        ("UID SORT (DATE) UTF-8 ALL", True),
        ("COPY 1 INBOX", True),
        ("EXPUNGE", True),
        ("REPLACE 1 INBOX {1+}\r\nx", True),
        ("RENAME INBOX Old", True),
        ('LIST "" *', True),
        # Its notices could fall into a literal.
        ("FETCH 1 BODY[]", False),
        ("NOOP", False),
        ("IDLE", False),
    ],
)
def test_a_command_that_takes_long_says_so(command: str, told: bool) -> None:
    clock, said = _Clock(), list[bytes]()
    progress = Progress(said.append, clock.later, 10)
    progress.begin(parse(b"x " + command.encode()).command, "x")
    assert bool(clock.waiting) is told
    if told:
        clock.strike()
        progress.done, progress.total = 3, 9
        clock.strike()
        assert said == [
            b'* OK [INPROGRESS ("x" NIL NIL)] Still at it\r\n',
            b'* OK [INPROGRESS ("x" 3 9)] Still at it\r\n',
        ]
    progress.end()
    assert clock.waiting == []


def test_a_tag_that_would_end_the_code_is_left_out() -> None:
    clock, said = _Clock(), list[bytes]()
    progress = Progress(said.append, clock.later, 10)
    progress.begin(c.Plain.EXPUNGE, "a]b")
    clock.strike()
    assert said == [b"* OK [INPROGRESS (NIL NIL NIL)] Still at it\r\n"]


def test_a_copy_that_hangs_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Imap(progress_seconds=0.001)
    try:
        client = slow.client()
        client.append(LETTER)
        client.say("SELECT INBOX")
        whole_copy = slow.store.copy

        async def hanging(*arguments: object) -> object:
            told = asyncio.Event()
            wire = slow._wires[0]
            write = wire.write

            def heard(data: bytes) -> None:
                write(data)
                if b"INPROGRESS" in data:
                    told.set()

            monkeypatch.setattr(wire, "write", heard)
            await told.wait()
            return await whole_copy(*arguments)

        monkeypatch.setattr(slow.store, "copy", hanging)
        said = client.say("COPY 1 Archive")
        assert said[0].startswith('* OK [INPROGRESS ("t')
        assert said[-1].startswith("OK [COPYUID")
    finally:
        slow.close()


EIGHT_BIT = "Subject: Grüße\r\n\r\n".encode()


def test_eight_bit_headers_are_taken_as_it_is_configured(imap: Imap) -> None:
    assert imap.client().append(EIGHT_BIT).startswith("OK")
    strict = Imap(utf8="strict")
    try:
        client = strict.client()
        assert "UTF8=ACCEPT" in client.say("CAPABILITY")[0]
        assert client.append(EIGHT_BIT).startswith("NO [CANNOT]")
        assert client.append(b"Subject: x\r\n\r\n\xc3\xbc").startswith("OK")
        client.say("ENABLE UTF8=ACCEPT")
        assert client.append(EIGHT_BIT).startswith("OK")
    finally:
        strict.close()


def test_a_server_of_utf8_only_serves_nobody_else() -> None:
    only = Imap(utf8="only")
    try:
        client = only.client()
        words = client.say("CAPABILITY")[0].split()
        assert "UTF8=ONLY" in words
        assert "UTF8=ACCEPT" not in words
        for command in ("SELECT INBOX", 'LIST "" *', "STATUS INBOX (MESSAGES)", "CREATE x"):
            assert client.say(command)[-1].startswith("NO [CANNOT]")
        assert client.say("NOOP")[-1].startswith("OK")
        client.say("ENABLE UTF8=ACCEPT")
        assert client.say("SELECT INBOX")[-1].startswith("OK")
    finally:
        only.close()
