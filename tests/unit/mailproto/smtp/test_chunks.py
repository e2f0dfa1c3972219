"""BDAT (RFC 3030): octets that are counted end nothing; what is refused is read to its end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailproto.smtp.server_config import Binary

from tests.unit.mailproto.smtp.memory import Driver

EHLO = b"EHLO c.test\r\n"
ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
BINARY_ENVELOPE = b"MAIL FROM:<a@x.test> BODY=BINARYMIME\r\nRCPT TO:<b@y.test>\r\n"
MESSAGE = b"Subject: x\r\n\r\n.\r\n..two\r\nQUIT\r\n"


def chunks(message: bytes, *sizes: int) -> bytes:
    """The message as BDATs of these sizes, the rest as the last."""
    said, position = b"", 0
    for size in sizes:
        part = message[position : position + size]
        said += b"BDAT %d\r\n" % len(part) + part
        position += size
    return said + b"BDAT %d LAST\r\n" % len(message[position:]) + message[position:]


def opened(**config: object) -> Driver:
    driver = Driver(offers_auth=False, **config)
    driver.say(EHLO)
    return driver


@given(
    st.lists(st.integers(0, 12), max_size=6),
    st.lists(st.integers(1, 90), max_size=8),
)
def test_a_message_in_any_chunks_in_any_segments_is_the_message(sizes: list[int], cuts: list[int]) -> None:
    driver = opened()
    stream = ENVELOPE + chunks(MESSAGE, *sizes) + b"NOOP\r\n"
    places = sorted({cut for cut in cuts if cut < len(stream)})
    parts = [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]
    assert driver.say(*parts) == [250] * (2 + len(sizes) + 2)
    assert driver.messages == [MESSAGE]


def test_data_and_bdat_may_follow_each_other_but_do_not_mix() -> None:
    driver = opened()
    assert driver.say(ENVELOPE, b"DATA\r\n", b"one\r\n.\r\n")[-1] == 250
    assert driver.say(ENVELOPE + chunks(b"two\r\n"))[-1] == 250
    assert driver.say(ENVELOPE + b"BDAT 1\r\nx", b"DATA\r\n", b"BDAT 2 LAST\r\n\r\n")[-2:] == [503, 250]
    assert driver.messages == [b"one\r\n", b"two\r\n", b"x\r\n"]


def test_chunks_behind_a_refused_one_are_thrown_away() -> None:
    driver = opened()
    # Nobody said RCPT, and the chunks hold what would do harm as commands.
    evil = b"RSET\r\n" + ENVELOPE + b"BDAT 1 LAST\r\nx"
    codes = driver.say(b"MAIL FROM:<a@x.test>\r\n" + chunks(evil, 10, 20) + b"NOOP\r\n")
    assert codes == [250, 554, 503, 503, 250]
    assert driver.messages == []


def test_a_chunk_over_the_limit_is_read_and_refused() -> None:
    driver = opened(size_limit_octets=100)
    assert driver.say(ENVELOPE + chunks(b"x" * 150, 90) + b"NOOP\r\n") == [250, 250, 250, 552, 250]
    assert driver.machine.message_octets == 0
    assert driver.messages == []


def test_a_chunk_bigger_than_anything_ends_the_session() -> None:
    for size in (1 << 31, 1 << 63, 99999999999999999999):
        driver = opened()
        assert driver.say(ENVELOPE + b"BDAT %d\r\nRSET\r\n" % size + ENVELOPE)[2:] == [552]
        assert driver.closed


@pytest.mark.parametrize(
    "line",
    [
        *(b"BDAT", b"BDAT ", b"BDAT -1", b"BDAT 1 FIRST", b"BDAT 1 LAST LAST", b"BDAT x", b"BDAT 1.0"),
        *(b"BDAT 0x10", b"BDAT +5", b"BDAT 1_0", b"BDAT \xc2\xb2", b"BDAT 123456789012345678901"),
    ],
)
def test_a_chunk_whose_end_is_unknown_ends_the_session(line: bytes) -> None:
    driver = opened()
    codes = driver.say(ENVELOPE + line + b"\r\nRSET\r\n" + ENVELOPE + b"BDAT 1 LAST\r\nx")
    assert codes[2:] == [501]
    assert driver.closed
    assert driver.messages == []


def test_a_hundred_thousand_empty_chunks_are_too_many() -> None:
    driver = opened()
    codes = driver.say(ENVELOPE + b"BDAT 0\r\n" * 100_000)
    assert len(codes) < 200
    assert codes[-1] == 421


@pytest.mark.parametrize(
    "content", [b"S: x\r\n\r\na\nb\r\n", b"S: x\r\n\r\na\rb", b"S: x\r\n\r\na\r\n.\n", b"S: x\r\n\r\n\0"]
)
@pytest.mark.parametrize("cut", [0, 9, 10, 11])
def test_lines_are_judged_across_chunks(content: bytes, cut: int) -> None:
    driver = opened()
    assert driver.say(ENVELOPE + chunks(content, cut))[-1] == 550
    assert driver.messages == []
    assert driver.say(ENVELOPE + chunks(b"S: x\r\n\r\na\r\nb", 10))[-1] == 250


def test_rset_and_ehlo_forget_the_chunks() -> None:
    for forget in (b"RSET\r\n", EHLO):
        driver = opened()
        driver.say(ENVELOPE + b"BDAT 5\r\nolder")
        assert driver.say(forget) == [250]
        assert driver.machine.message_octets == 0
        driver.say(ENVELOPE + chunks(b"newer"))
        assert driver.messages == [b"newer"]


def test_binary_content_is_kept_as_it_is_and_needs_chunks() -> None:
    content = b"Content-Transfer-Encoding: binary\r\n\r\n\0\r\n.\n\r.\r\n\xff"
    driver = opened(binary=Binary.OFFERED)
    assert b"250-BINARYMIME\r\n" in driver.said
    assert driver.say(BINARY_ENVELOPE, b"DATA\r\n") == [250, 250, 503]
    assert driver.say(chunks(content, 40)) == [250, 250]
    assert driver.messages == [content]


@pytest.mark.parametrize("header", [b"S: x\nFrom: y", b"S: x\rFrom: y", b"S: \0", b"S: x\n\nFrom: y"])
def test_binary_is_the_body_not_the_header(header: bytes) -> None:
    driver = opened(binary=Binary.OFFERED)
    assert driver.say(BINARY_ENVELOPE + chunks(header + b"\r\n\r\n\0"))[-1] == 550


def test_binary_is_refused_where_it_is_not_offered() -> None:
    driver = opened()
    assert b"BINARYMIME" not in driver.said
    assert driver.say(b"MAIL FROM:<a@x.test> BODY=BINARYMIME\r\n") == [501]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                EHLO,
                ENVELOPE,
                b"BDAT 5\r\n",
                b"BDAT 3 LAST\r\n",
                b"DATA\r\n",
                b"\r\n.\r\n",
                b"abc",
                b"RSET\r\n",
                b"\n.\n",
            ]
        ),
        max_size=20,
    )
)
def test_one_octet_at_a_time_gives_the_same(parts: list[bytes]) -> None:
    # Whether the peer waits for an answer is seen in segments, so only streams without such a command compare.
    stream = EHLO + ENVELOPE + b"".join(part for part in parts if part not in (EHLO, b"DATA\r\n"))
    whole = Driver()
    whole.say(EHLO, stream[len(EHLO) :])
    single = Driver()
    single.say(*[stream[at : at + 1] for at in range(len(stream))])
    assert (single.messages, single.said) == (whole.messages, whole.said)
