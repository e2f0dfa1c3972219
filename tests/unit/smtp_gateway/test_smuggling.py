"""Only CRLF.CRLF ends a message: every other end, at every split point, on both roles, judged by what is stored."""

import pytest
from smtp_gateway.core.roles import Role

from tests.support.fake_gateway import converse

OPENING = {Role.MX: b"EHLO c.test\r\n", Role.MSA: b"EHLO c.test\r\n", Role.LMTP: b"LHLO a.test\r\n"}
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
ENVELOPE = b"MAIL FROM:<jones@foo.com>\r\nRCPT TO:<brown@foo.com>\r\n"
SMUGGLED = b"MAIL FROM:<smith@foo.com>\r\nRCPT TO:<jones@foo.com>\r\nDATA\r\nFrom: smith@foo.com\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n .\r\n",
    b"\r\n. \r\n",
    b"\r\n.\t\r\n",
    b"\n\n.\n\n",
    b"\r\n..\r\n",
    b"\r\n.\n\r\n",
    b"\n.\n\r\n",
    b"\r\n.\v\r\n",
    b"\r\n.\x85\r\n",
    b"\r\n\xe2\x80\xa8.\r\n",
]


def play(role: Role, data: bytes, cut: int | None = None) -> tuple[int, int]:
    """(messages stored, 250s said to a message)."""
    chunks = [OPENING[role]]
    if role is Role.MSA:
        chunks.append(LOGIN)
    chunks += [ENVELOPE, b"DATA\r\n"]
    chunks += [data] if cut is None else [data[:cut], data[cut:]]
    said, gate, _ = converse(role, [*chunks, b"QUIT\r\n"])
    return len(gate.letters), said.count(b"250 2.0.0 Accepted")


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("end", ENDS, ids=[repr(end) for end in ENDS])
def test_nothing_else_ends_a_message(role: Role, end: bytes) -> None:
    data = b"From: jones@foo.com\r\nSubject: outer\r\n\r\nouter" + end + SMUGGLED
    cuts: list[int | None] = [None, *range(1, len(data))]
    for cut in cuts if role is Role.MX else cuts[::7]:
        stored, accepted = play(role, data, cut)
        assert stored == accepted
        # What was smuggled is at most inside the one message, never one of its own.
        assert stored <= 1, f"cut at {cut}"


@pytest.mark.parametrize("cut", range(1, 30))
def test_the_true_end_is_found_at_every_cut(cut: int) -> None:
    data = b"Subject: true\r\n\r\nbody\r\n.\r\n"
    assert play(Role.MX, data, min(cut, len(data))) == (1, 1)


def test_an_end_right_after_data_is_an_empty_message() -> None:
    said, gate, _ = converse(Role.MX, [OPENING[Role.MX], ENVELOPE, b"DATA\r\n", b".\r\n", b"QUIT\r\n"])
    assert [letter.content for letter in gate.letters] == [b""]
    assert b"250 2.0.0 Accepted" in said


@pytest.mark.parametrize("bare", [b"a\nb", b"a\rb", b"a\r\r\nb", b"\x00"])
def test_a_message_with_a_bare_break_is_refused_and_the_next_one_is_served(bare: bytes) -> None:
    said, gate, _ = converse(
        Role.MX,
        [
            *(OPENING[Role.MX], ENVELOPE, b"DATA\r\n", b"S: x\r\n\r\n" + bare + b"\r\n.\r\n"),
            *(ENVELOPE, b"DATA\r\n", b"S: x\r\n\r\nfine\r\n.\r\n", b"QUIT\r\n"),
        ],
    )
    assert b"550 5." in said
    assert [letter.content for letter in gate.letters] == [b"S: x\r\n\r\nfine\r\n"]


@pytest.mark.parametrize(
    "too_soon",
    [
        b"EHLO c.test\r\n" + ENVELOPE + b"DATA\r\nS: x\r\n\r\nx\r\n.\r\n",
        b"HELO c.test\r\nMAIL FROM:<a@b.test>\r\n",
    ],
)
def test_a_client_that_does_not_wait_is_sent_away(too_soon: bytes) -> None:
    said, gate, _ = converse(Role.MX, [too_soon])
    assert b"554 5.5.0" in said
    assert gate.letters == []


def test_octets_sent_together_with_data_are_not_a_message() -> None:
    said, gate, _ = converse(
        Role.MX, [OPENING[Role.MX], ENVELOPE + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n", b"QUIT\r\n"]
    )
    assert b"554 5.5.0" in said
    assert gate.letters == []


CHUNKED = [
    # Ends of DATA, in chunks, mean nothing; neither does a chunk that is shorter or longer than said to another eye.
    *(
        b"From: jones@foo.com\r\nSubject: outer\r\n\r\nouter" + end + SMUGGLED
        for end in (*ENDS, b"\r\n.\r\n")
    ),
    b"From: jones@foo.com\r\nSubject: outer\r\n\r\nBDAT 4 LAST\r\nx\r\n\r\n" + SMUGGLED,
    b"From: jones@foo.com\r\nSubject: outer\r\n\r\nRSET\r\n" + SMUGGLED,
]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("content", CHUNKED, ids=[repr(content[43:60]) for content in CHUNKED])
def test_what_is_counted_ends_nothing(role: Role, content: bytes) -> None:
    for size in (0, 1, 25, 30, len(content) - 1, len(content)):
        said_size = b"BDAT %d\r\n" % size + content[:size]
        last = b"BDAT %d LAST\r\n" % (len(content) - size) + content[size:]
        chunks = [OPENING[role], *([LOGIN] if role is Role.MSA else []), ENVELOPE + said_size + last]
        said, gate, _ = converse(role, [*chunks, b"QUIT\r\n"])
        assert [letter.content for letter in gate.letters] in ([], [content])
        assert said.count(b"250 2.0.0 Accepted") == len(gate.letters)
        if b"\n.\n" not in content and content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r"):
            assert bool(gate.letters) == (b"\0" not in content)


def test_chunks_before_anybody_is_accepted_smuggle_nothing() -> None:
    payload = b"RSET\r\n" + ENVELOPE + b"BDAT 3 LAST\r\nx\r\n"
    for opening in (
        b"",
        b"MAIL FROM:<a@b.test>\r\n",
        b"MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@foo.com>\r\n",
    ):
        bdat = b"BDAT %d LAST\r\n" % len(payload) + payload
        said, gate, _ = converse(Role.MX, [OPENING[Role.MX], opening + bdat, b"QUIT\r\n"])
        assert gate.letters == []
        assert b"Accepted" not in said
        assert said.endswith(b"closes the connection\r\n")


def test_starttls_inside_a_chunk_is_content() -> None:
    content = b"S: x\r\n\r\nSTARTTLS\r\n"
    bdat = b"BDAT %d LAST\r\n" % len(content) + content
    _, gate, _ = converse(Role.MX, [OPENING[Role.MX], ENVELOPE + bdat, b"QUIT\r\n"])
    assert [letter.content for letter in gate.letters] == [content]
