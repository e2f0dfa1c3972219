"""Lines that begin with a period, however they come (RFC 5321 §4.5.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp.server_data import DOTTED_NOTED, DataReader, Received
from mailproto.smtp.server_input import Input

LINES = st.lists(
    st.sampled_from([b"", b".", b"..", b".a", b"a.", b"a", b"a" * 40]), max_size=3 * DOTTED_NOTED
)


def stuffed(lines: list[bytes]) -> bytes:
    return b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines) + b".\r\n"


def read(pieces: list[bytes]) -> tuple[Received | None, bytes]:
    """What came of them, and what was left of the last."""
    reader, source = DataReader(1 << 20), Input()
    for piece in pieces[:-1]:
        source.feed(piece)
        assert reader.feed(source) is None
    source.feed(pieces[-1])
    return reader.feed(source), bytes(source.take_all())


@given(lines=LINES, step=st.integers(1, 50))
def test_what_was_stuffed_comes_out_as_it_was(lines: list[bytes], step: int) -> None:
    wire = stuffed(lines)
    pieces = [wire[at : at + step] for at in range(0, len(wire), step)]
    # The end has come with its last octet only.
    *before, last = pieces
    received, left = read([*before, last + b"MAIL FROM:<>\r\n"])
    assert received == Received(b"".join(line + b"\r\n" for line in lines), None)
    assert left == b"MAIL FROM:<>\r\n"


@pytest.mark.parametrize("count", [1, DOTTED_NOTED - 1, DOTTED_NOTED, DOTTED_NOTED + 1, 10 * DOTTED_NOTED])
@pytest.mark.parametrize("step", [1, 4, 5, 100_000])
def test_as_many_periods_as_somebody_likes(count: int, step: int) -> None:
    lines = [b".", b"x"] * count + [b"no more", b"..."]
    wire = stuffed(lines)
    received, _ = read([wire[at : at + step] for at in range(0, len(wire), step)])
    assert received == Received(b"".join(line + b"\r\n" for line in lines), None)
