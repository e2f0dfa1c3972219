"""Header blocks, encoded words, dates, the part index."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.date import format_date, parse_date
from mailmsg.header import Field, Selection, fields, first_value, header_end, select_fields, unfold
from mailmsg.parts import MalformedParts, Part, decode_parts, encode_parts
from mailmsg.words import decode_words, encode_words

BLOCK = b"From mbox line\r\nFrom: a@b\r\nSubject: long\r\n\tand folded\r\nX-Odd : space\r\nno colon\r\nTO: x@y\r\n\r\n"


def test_fields_in_order() -> None:
    assert list(fields(BLOCK)) == [
        Field(b"From", b" a@b\r\n", b"From: a@b\r\n"),
        Field(b"Subject", b" long\r\n\tand folded\r\n", b"Subject: long\r\n\tand folded\r\n"),
        Field(b"X-Odd", b" space\r\n", b"X-Odd : space\r\n"),
        Field(b"TO", b" x@y\r\n", b"TO: x@y\r\n"),
    ]


def test_select_fields() -> None:
    assert select_fields(BLOCK, [b"SUBJECT", b"to"], Selection.NAMED) == (
        b"Subject: long\r\n\tand folded\r\nTO: x@y\r\n\r\n"
    )
    assert (
        select_fields(BLOCK, [b"SUBJECT", b"to"], Selection.NOT_NAMED)
        == b"From: a@b\r\nX-Odd : space\r\n\r\n"
    )
    assert select_fields(b"", [b"a"], Selection.NAMED) == b"\r\n"
    assert select_fields(b"A: cut", [b"a"], Selection.NAMED) == b"A: cut\r\n\r\n"


def test_unfold_and_first_value() -> None:
    assert unfold(b" a\r\n b\r\n\tc \r\n") == b"a b\tc"
    assert first_value(BLOCK, b"subject") == b"long\tand folded"
    assert first_value(BLOCK, b"cc") is None


@pytest.mark.parametrize(
    ("message", "end"),
    [(b"A: b\r\n\r\nx", 8), (b"A: b\n\nx", 6), (b"\r\nx", 2), (b"\nx", 1), (b"A: b\r\n", None), (b"", None)],
)
def test_header_end(message: bytes, end: int | None) -> None:
    assert header_end(message) == end


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),  # RFC 2047 §8, here and below
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
        (b"=?utf-8*en?q?=C3?= =?utf-8?q?=BC?=", "ü"),  # a character in two words, a language
        (b"=?nonsense?q?x?=", "x"),
        (b"=?utf-8?b?!!!?=", ""),
        (b"=?unicode_escape?q?=5Cx41?=", "\\x41"),
        (b"=?hex?q?41?=", "41"),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("rohe Grüße".encode(), "rohe Grüße"),
        ("alte Grüße".encode("latin-1"), "alte Grüße"),
    ],
)
def test_decode_words(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_encoded_words_round_trip(text: str) -> None:
    encoded = encode_words(text)
    assert decode_words(encoded) == text
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n")) or text.isascii()
    assert encoded.isascii()


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (b" Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06+00:00"),
        (b"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06+00:00"),  # appendix A.6.2
        (b"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n      -0330 (Newfoundland Time)",
         "1969-02-14T03:02:00+00:00"),
        (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06+00:00"),
        (b"1 Jan 26 00:00 EST", "2026-01-01T05:00:00+00:00"),
        (b"30 Jun 2015 23:59:60 +0000", "2015-06-30T23:59:59+00:00"),
        (b"Mon, 1 Jan 2024 10:00:00", "2024-01-01T10:00:00+00:00"),
    ],
)  # fmt: skip
def test_parse_date(value: bytes, instant: str) -> None:
    found = parse_date(value)
    assert found is not None
    assert found.isoformat() == instant


@pytest.mark.parametrize(
    "value",
    [b"", b"yesterday", b"31 Feb 2024 10:00:00 +0000", b"1 Foo 2024 10:00 +0000", b"1 Jan 0001 00:00:00 +2300",
     b"1 Jan 2024 25:00 +0000"],
)  # fmt: skip
def test_what_is_no_date(value: bytes) -> None:
    assert parse_date(value) is None


@given(
    st.datetimes(min_value=datetime(1950, 1, 2), max_value=datetime(9999, 12, 30)),
    st.integers(-12 * 60, 14 * 60),
)
def test_dates_round_trip(moment: datetime, offset_minutes: int) -> None:
    instant = moment.replace(microsecond=0, tzinfo=UTC)
    assert parse_date(format_date(instant, offset_minutes)) == instant
    assert format_date(instant).endswith(b" +0000")


def test_format_date() -> None:
    instant = datetime(2026, 11, 21, 4, 54, 40, tzinfo=UTC)
    assert format_date(instant) == b"Sat, 21 Nov 2026 04:54:40 +0000"
    assert format_date(instant + timedelta(0), -210) == b"Sat, 21 Nov 2026 01:24:40 -0330"


NUMBERS = st.integers(0, 2**40)
PARTS = st.builds(
    Part,
    section=st.lists(st.integers(1, 1000), max_size=8).map(tuple),
    media_type=st.sampled_from(["text/plain", "message/rfc822", ""]),
    encoding=st.sampled_from(["7bit", "base64"]),
    header_offset=NUMBERS,
    body_offset=NUMBERS,
    body_octets=NUMBERS,
    text_offset=NUMBERS,
)


@given(st.lists(PARTS))
def test_part_index_round_trip(parts: list[Part]) -> None:
    assert decode_parts(encode_parts(parts)).parts == tuple(parts)


@given(st.binary(max_size=60))
def test_a_damaged_part_index_is_told(data: bytes) -> None:
    try:
        decode_parts(b"\x01" + data)
    except MalformedParts:
        pass


def test_cut_part_index_is_told() -> None:
    whole = encode_parts([Part((1,), "text/plain", "7bit", 0, 1, 2, 1)])
    for length in range(2, len(whole)):
        with pytest.raises(MalformedParts):
            decode_parts(whole[:length])
    with pytest.raises(MalformedParts):
        decode_parts(b"\x02")
