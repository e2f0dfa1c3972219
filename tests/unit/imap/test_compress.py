"""COMPRESS=DEFLATE (RFC 4978): what is said means the same, and little sent does not become much held."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap.edge.deflating import PIECE_OCTETS, Deflate, StreamBroken

from tests.support.imap_memory import Imap


class Squeezed:
    """The client's side."""

    def __init__(self) -> None:
        self._out = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._in = zlib.decompressobj(-15)

    def squeeze(self, data: bytes) -> bytes:
        return self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def read(self, data: bytes) -> bytes:
        return self._in.decompress(data)


def test_a_session_that_is_compressed(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    assert "COMPRESS=DEFLATE" in client.say("CAPABILITY")[0]
    assert client.say("COMPRESS LZ4")[-1].startswith("BAD")
    assert client.say("COMPRESS DEFLATE") == ["OK DEFLATE from now on"]
    squeezed = Squeezed()
    said = squeezed.read(client.exchange(squeezed.squeeze(b"a CAPABILITY\r\n")))
    assert b"COMPRESS" not in said
    assert said.endswith(b"a OK CAPABILITY completed\r\n")
    letter = b"Subject: x\r\n\r\n" + b"text " * 50_000
    sent = squeezed.squeeze(b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(letter), letter))
    assert len(sent) < 2000
    assert b"b OK [APPENDUID" in squeezed.read(client.exchange(sent))
    told = client.exchange(squeezed.squeeze(b"c FETCH 1 BODY.PEEK[]\r\n"))
    assert len(told) < 5000
    assert letter in squeezed.read(told)
    assert b"d NO [COMPRESSIONACTIVE]" in squeezed.read(
        client.exchange(squeezed.squeeze(b"d COMPRESS DEFLATE\r\n"))
    )
    # One octet at a time, and several commands at once.
    stream = squeezed.squeeze(b"e NOOP\r\nf NOOP\r\n")
    said = b"".join(squeezed.read(client.exchange(stream[n : n + 1])) for n in range(len(stream)))
    assert said == b"e OK NOOP completed\r\nf OK NOOP completed\r\n"


def test_idle_is_compressed_too(imap: Imap) -> None:
    client, other = imap.client(select="INBOX"), imap.client()
    client.say("COMPRESS DEFLATE")
    squeezed = Squeezed()
    assert squeezed.read(client.exchange(squeezed.squeeze(b"a IDLE\r\n"))) == b"+ idling\r\n"
    other.append("Subject: x\n\nx\n")
    assert squeezed.read(client.exchange(b"")) == b"* 1 EXISTS\r\n* 1 RECENT\r\n"
    assert squeezed.read(client.exchange(squeezed.squeeze(b"DONE\r\n"))) == b"a OK IDLE completed\r\n"


def test_a_stream_that_is_none_ends_the_connection(imap: Imap) -> None:
    client = imap.client()
    client.say("COMPRESS DEFLATE")
    client.exchange(b"a NOOP in clear\r\n" * 3)
    assert client.is_over


def test_before_the_login_nothing_is_compressed(imap: Imap) -> None:
    client = imap.connect()
    assert b"COMPRESS" not in client.exchange(b"")
    assert client.say("COMPRESS DEFLATE")[-1].startswith("BAD")


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_both_directions(pieces: list[bytes]) -> None:
    ours, client = Deflate(), Squeezed()
    for piece in pieces:
        assert client.read(ours.deflate(piece)) == piece
        assert ours.inflate(client.squeeze(piece)) == piece


def test_a_bomb_comes_in_pieces() -> None:
    ours, client = Deflate(), Squeezed()
    bomb = client.squeeze(bytes(50_000_000))
    held = len(ours.inflate(bomb))
    pieces = 1
    while ours.has_more:
        piece = ours.inflate(b"")
        assert len(piece) <= PIECE_OCTETS
        held += len(piece)
        pieces += 1
    assert held == 50_000_000
    assert pieces > 700


@pytest.mark.parametrize("octets", range(PIECE_OCTETS - 3, PIECE_OCTETS + 300, 7))
def test_nothing_is_kept_back_at_the_end_of_a_piece(octets: int) -> None:
    ours, client = Deflate(), Squeezed()
    data = b"x" * octets + b"\r\n"
    came = ours.inflate(client.squeeze(data))
    while ours.has_more:
        came += ours.inflate(b"")
    assert came == data


def test_what_follows_the_end_of_a_stream_is_refused() -> None:
    ours = Deflate()
    ended = zlib.compressobj(6, zlib.DEFLATED, -15)
    ours.inflate(ended.compress(b"a NOOP\r\n") + ended.flush(zlib.Z_FINISH))
    with pytest.raises(StreamBroken):
        ours.inflate(b"more")
