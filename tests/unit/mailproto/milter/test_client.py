"""The milter protocol: what is sent, what is negotiated away, answers, and milters that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.milter import answers
from mailproto.milter.answers import (
    AddHeader,
    AddRecipient,
    Answer,
    ChangeHeader,
    Decision,
    InsertHeader,
    Progress,
    Quarantine,
    RemoveRecipient,
    ReplyCode,
)
from mailproto.milter.client import NOTHING, MilterClient, Step, Without
from mailproto.milter.packets import MilterBroken, PacketReader

from tests.support.milter import framed, options


def ready(version: int = 6, actions: int = 0, without: int = 0) -> MilterClient:
    client = MilterClient()
    client.feed(options(version, actions, without))
    assert client.is_ready
    return client


def packets(octets: bytes) -> list[tuple[bytes, bytes]]:
    reader = PacketReader()
    reader.feed(octets)
    found = []
    while (packet := reader.next()) is not None:
        found.append(packet)
    return found


def test_the_first_octets_offer_version_6_and_no_change_of_bodies() -> None:
    [(letter, data)] = packets(MilterClient().negotiate())
    version, actions, without = (int.from_bytes(data[start : start + 4], "big") for start in (0, 4, 8))
    assert (letter, version, actions) == (b"O", 6, 0x3D)
    assert without == 0x1FF7FF


def test_steps_are_what_libmilter_reads() -> None:
    client = ready()
    assert packets(
        client.connect("mx.peer.test", "192.0.2.7", 4711, {"j": "gate", "daemon_name": "mx"}).octets
    ) == [
        (b"D", b"Cj\0gate\0{daemon_name}\0mx\0"),
        (b"C", b"mx.peer.test\0" + b"4" + (4711).to_bytes(2, "big") + b"192.0.2.7\0"),
    ]
    assert packets(client.connect("", "2001:db8::1", 25, {}).octets) == [
        (b"C", b"[2001:db8::1]\0" + b"6\0\x19" + b"2001:db8::1\0")
    ]
    assert packets(client.connect("x", "", 0, {}).octets) == [(b"C", b"x\0U")]
    assert packets(client.helo("peer", {}).octets) == [(b"H", b"peer\0")]
    assert packets(client.mail("a@b.test", ["SIZE=5"], {}).octets) == [(b"M", b"<a@b.test>\0SIZE=5\0")]
    assert packets(client.rcpt("c@d.test", {}).octets) == [(b"R", b"<c@d.test>\0")]
    assert packets(client.data({}).octets) == [(b"T", b"")]
    assert packets(client.header(b"Subject", b" one\r\n two").octets) == [(b"L", b"Subject\0one\n two\0")]
    assert packets(client.end_of_header().octets) == [(b"N", b"")]
    assert packets(client.end({"i": "7"}).octets) == [(b"D", b"Ei\0" + b"7\0"), (b"E", b"")]
    assert (packets(client.abort()), packets(client.quit())) == ([(b"A", b"")], [(b"Q", b"")])


def test_a_body_goes_in_pieces_that_a_milter_can_hold() -> None:
    sent = [packets(step.octets) for step in ready().body(b"x" * 150_000)]
    assert [len(data) for [(letter, data)] in sent if letter == b"B"] == [65_535, 65_535, 18_930]
    assert not list(ready().body(b""))


@pytest.mark.parametrize(
    ("unwanted", "step"),
    [
        (Without.CONNECT, lambda client: client.connect("x", "192.0.2.1", 1, {"j": "gate"})),
        (Without.HELO, lambda client: client.helo("x", {})),
        (Without.MAIL, lambda client: client.mail("x", [], {})),
        (Without.RCPT, lambda client: client.rcpt("x", {})),
        (Without.DATA, lambda client: client.data({})),
        (Without.HEADERS, lambda client: client.header(b"x", b"y")),
        (Without.END_OF_HEADER, lambda client: client.end_of_header()),
        (Without.BODY, lambda client: next(client.body(b"x"))),
    ],
)
def test_what_a_milter_does_not_want_is_not_sent(unwanted: Without, step: object) -> None:
    assert callable(step)
    assert step(ready(without=unwanted)) == NOTHING
    assert step(ready()).is_answered
    silent: Step = step(ready(without=0x1FF000 | 0x80))
    assert silent.octets
    assert not silent.is_answered


def test_older_milters_hear_no_data_and_headers_as_they_like_them() -> None:
    assert ready(version=2).data({}) == NOTHING
    kept = ready(without=Without.LEADING_SPACE).header(b"A", b"  b")
    assert packets(kept.octets) == [(b"L", b"A\0  b\0")]


@pytest.mark.parametrize(
    ("letter", "data", "answer"),
    [
        (b"c", b"", Decision.CONTINUE),
        (b"a", b"", Decision.ACCEPT),
        (b"r", b"", Decision.REJECT),
        (b"t", b"", Decision.TEMPFAIL),
        (b"d", b"", Decision.DISCARD),
        (b"s", b"", Decision.SKIP),
        (b"f", b"", Decision.CONNECTION_FAILED),
        (b"4", b"", Decision.SHUTDOWN),
        (b"y", b"554 5.7.1 Gtube pattern\0", ReplyCode(554, "5.7.1 Gtube pattern")),
        (b"y", b"451\0", ReplyCode(451, "")),
        (b"p", b"", Progress()),
        (b"h", b"X-A\0b\0", AddHeader("X-A", "b")),
        (b"i", b"\0\0\0\1X-A\0b\0", InsertHeader(1, "X-A", "b")),
        (b"m", b"\0\0\0\2Subject\0\0", ChangeHeader(2, "Subject", "")),
        (b"+", b"<a@b.test>\0", AddRecipient("<a@b.test>")),
        (b"-", b"a@b.test\0", RemoveRecipient("a@b.test")),
        (b"q", b"why\0", Quarantine("why")),
    ],
)
def test_every_answer_is_read_at_every_split(letter: bytes, data: bytes, answer: Answer) -> None:
    octets = framed(letter, data)
    for split in range(len(octets) + 1):
        client = ready()
        client.feed(octets[:split])
        found = client.answer()
        if split < len(octets):
            assert found is None
            client.feed(octets[split:])
            found = client.answer()
        assert found == answer
        assert client.answer() is None


@pytest.mark.parametrize(
    ("letter", "data", "words"),
    [
        (b"b", b"another body", "change the body"),
        (b"e", b"<x@y>\0", "change the sender"),
        (b"z", b"", "nobody knows"),
        (b"y", b"250 fine\0", "reply code"),
        (b"y", b"", "texts"),
        (b"h", b"X-A\0", "texts"),
        (b"h", b"X-A\0b\0c\0", "texts"),
        (b"i", b"\0\0", "cut off"),
    ],
)
def test_what_was_not_offered_or_cannot_be_read_is_an_error_with_a_sentence(
    letter: bytes, data: bytes, words: str
) -> None:
    with pytest.raises(MilterBroken, match=words):
        answers.read(letter, data)


@pytest.mark.parametrize(
    "octets",
    [
        framed(b"c"),
        framed(b"O", b"\0" * 11),
        options(version=1),
        options(version=7),
        b"\0\0\0\0",
        b"\xff\xff\xff\xffO",
    ],
)
def test_who_does_not_negotiate_is_no_milter(octets: bytes) -> None:
    client = MilterClient()
    client.feed(octets)
    with pytest.raises(MilterBroken):
        assert client.is_ready


def test_who_says_that_it_changes_bodies_is_heard_until_it_does() -> None:
    client = ready(actions=0x1FF)
    client.feed(framed(b"c") + framed(b"b", b"another body"))
    assert client.answer() is Decision.CONTINUE
    with pytest.raises(MilterBroken, match="change the body, which was not offered"):
        client.answer()


@given(st.binary(max_size=200))
def test_no_octets_break_anything_but_the_milter(octets: bytes) -> None:
    client = ready()
    client.feed(octets)
    try:
        while client.answer() is not None:
            pass
    except MilterBroken:
        return


@given(st.text(), st.binary(max_size=300))
def test_no_text_of_a_stranger_can_end_a_string_early(text: str, value: bytes) -> None:
    [(_, data)] = packets(ready().rcpt(text, {}).octets)
    assert data.count(b"\0") == 1
    [(_, data)] = packets(ready().header(b"X", value).octets)
    assert data.count(b"\0") == 2
