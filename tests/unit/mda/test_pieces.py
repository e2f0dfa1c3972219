"""What scanners are given: every reading of a message, in linear time."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mailmsg.facts import examine
from mda.core import pieces as module
from mda.core.pieces import PIECES, pieces

from tests.support.viruses import EICAR, ENCODED, Kind, attachment, clean, every_hiding_place, message

KINDS = every_hiding_place()


def pieces_of(content: bytes) -> list[bytes]:
    return list(pieces(content, examine(content).parts))


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_what_is_hidden_lies_open_in_the_whole_or_in_a_piece(kind: Kind) -> None:
    assert any(EICAR in each for each in (kind.content, *pieces_of(kind.content)))


def test_a_plain_text_has_no_pieces() -> None:
    assert pieces_of(clean("plain")) == []


def test_an_attachment_is_given_exactly_as_it_is_saved() -> None:
    content = attachment(b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n", ENCODED)
    assert EICAR in pieces_of(message("zip", content))


def test_no_piece_twice() -> None:
    part = b"--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + ENCODED
    content = message("same", attachment(b"", b"").replace(b"--b--", part * 50 + b"--b--"))
    found = pieces_of(content)
    assert found.count(EICAR) == 1
    assert len(found) == len(set(found))


def test_the_number_of_pieces_is_bounded() -> None:
    parts = b"".join(b"--b\r\n\r\npart %d\r\n" % number for number in range(900))
    content = message("many", attachment(b"", b"").replace(b"--b--", parts + b"--b--"))
    assert len(pieces_of(content)) == PIECES


def test_messages_in_messages_are_not_given_over_and_over() -> None:
    content = message("core", attachment(b"Content-Type: application/zip\r\n", EICAR + bytes(400_000)))
    for _ in range(40):
        content = message("shell", b"Content-Type: message/rfc822\r\n\r\n" + content)
    found = pieces_of(content)
    assert sum(map(len, found)) < 5 * len(content)
    assert EICAR + bytes(400_000) in found


def test_messages_encoded_in_messages_end_somewhere() -> None:
    content = message("core", attachment(b"Content-Type: application/zip\r\n", EICAR))
    for _ in range(12):
        fields = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
        content = message("shell", attachment(fields, base64.encodebytes(content).replace(b"\n", b"\r\n")))
    assert 0 < len(pieces_of(content)) <= PIECES


@pytest.mark.parametrize(
    "line",
    [b"A" * 76 + b"\r\n", b"A", b"AAAA= \r\n", b"\r\n", b"=", b"Content-Transfer-Encoding: base64\r\n "],
)
def test_a_million_of_anything_is_taken_apart_once(line: bytes) -> None:
    # Twenty times the octets of a look that were quadratic would not end within this run.
    body = line * (4_000_000 // len(line))
    for content in (message("flood", b"\r\n" + body), message("flood", attachment(b"", body)), body):
        for _ in pieces(content, examine(content).parts):
            pass


@given(
    st.lists(st.sampled_from([b"A" * 76, b"QUJD" * 20, b"no base64!", b"", b"QUJD=", b"word"]), max_size=30),
    st.sampled_from([4, 52, 92, 200, 1 << 20]),
)
def test_a_run_is_one_whatever_the_windows(lines: list[bytes], window: int) -> None:
    content = b"X: y\r\n\r\n" + b"\r\n".join(lines)
    parts = examine(content).parts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW_OCTETS", window)
        found = list(pieces(content, parts))
    assert found == list(pieces(content, parts))


@given(st.binary(max_size=2000), st.binary(max_size=60))
@example(EICAR, b"")
@example(b"Content-Transfer-Encoding: base64\n\n====", b"\x01\xff")
def test_any_octets_and_any_index_give_pieces(content: bytes, parts: bytes) -> None:
    for index in (examine(content).parts, parts):
        assert all(isinstance(each, bytes) for each in pieces(content, index))
