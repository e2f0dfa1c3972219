"""Bare line breaks are found wherever they stand, in short lines and in long ones."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp.server_data import BLOCK_OCTETS, Flaw, flaw_of

TEXT = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"\n\r", b"x", b"\r\n" * 3, b"y" * 40]), max_size=12
).map(b"".join)


@given(TEXT, st.sampled_from([b"", b"z" * 400]))
def test_a_break_is_bare_where_its_other_half_is_missing(text: bytes, padding: bytes) -> None:
    whole = padding + text
    expected = Flaw.BARE_CR_OR_LF if re.search(rb"\r(?!\n)|(?<!\r)\n", whole) else None
    assert flaw_of(whole) is expected
    assert flaw_of(bytearray(whole)) is expected


@pytest.mark.parametrize("line", [b"", b"x" * 70])
def test_a_nul_is_a_flaw(line: bytes) -> None:
    assert flaw_of((line + b"\r\n") * 20 + b"\0\r\n") is Flaw.NUL


@pytest.mark.parametrize("before", [BLOCK_OCTETS - 2, BLOCK_OCTETS - 1, BLOCK_OCTETS, 2 * BLOCK_OCTETS - 1])
@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (b"\r\n", None),
        (b"\n", Flaw.BARE_CR_OR_LF),
        (b"\r", Flaw.BARE_CR_OR_LF),
        (b"\n\r", Flaw.BARE_CR_OR_LF),
        (b"\r\r\n", Flaw.BARE_CR_OR_LF),
        (b"\r\n\n", Flaw.BARE_CR_OR_LF),
        (b"\0", Flaw.NUL),
    ],
)
def test_where_one_block_ends_and_the_next_begins(before: int, text: bytes, flaw: Flaw | None) -> None:
    assert flaw_of(b"a" * before + text + b"b" * 10) is flaw
    assert flaw_of(b"a" * before + text) is flaw
