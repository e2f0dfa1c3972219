"""BINARY (RFC 3516): parts without their transfer encoding, small and large, whole and by ranges."""

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap.core import passing, rendering, runs
from imap.core.decoding import Base64, Decoder, Plain, QuotedPrintable, Text, decode, decoder

from tests.support.imap_memory import Imap


def fed(one: Decoder, data: bytes, cuts: list[int]) -> bytes:
    """Decoded in pieces."""
    out = b""
    start = 0
    for cut in sorted(cut % (len(data) + 1) for cut in cuts):
        out += one.feed(data[start:cut])
        start = max(start, cut)
    return out + one.feed(data[start:]) + one.end()


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=6))
def test_base64_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    written = base64.encodebytes(data).replace(b"\n", b"\r\n")
    assert fed(Base64(), written, cuts) == data


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=6))
def test_quoted_printable_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
    written = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    assert fed(QuotedPrintable(), written, cuts) == decode(QuotedPrintable, written)


@given(st.binary(max_size=200), st.lists(st.integers(0, 1000), max_size=6))
def test_junk_is_decoded_somehow_and_alike_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    assert fed(Base64(), data, cuts) == decode(Base64, data)


@given(st.text(alphabet="ab\r\n", max_size=40), st.lists(st.integers(0, 100), max_size=4))
def test_lines_end_in_crlf(text: str, cuts: list[int]) -> None:
    told = fed(Text(Plain()), text.encode(), cuts)
    assert told.replace(b"\r\n", b"\n") == text.encode().replace(b"\r\n", b"\n")
    assert b"\n" not in told.replace(b"\r\n", b"")


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    one = QuotedPrintable()
    out = b"".join(one.feed(b"=41b" * 10_000) for _ in range(5)) + one.end()
    assert out == b"Ab" * 50_000


def test_unknown_encodings_have_no_decoder() -> None:
    assert decoder("x-uuencode", "text/plain") is None


def message(content: bytes, encoding: str = "base64", media_type: str = "application/octet-stream") -> bytes:
    return (
        b"From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"
        b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n--cut--\r\n"
        % (media_type.encode(), encoding.encode(), content)
    )


def test_a_small_part(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append(message(base64.b64encode(b"ab\0cd")))
    client.append(message(b"gr=C3=BC=\r\n=C3=9Fe", "quoted-printable", "text/plain"))
    client.append(message(base64.b64encode(b"one\ntwo"), "base64", "text/plain"))
    client.say("NOOP")
    said = client.raw("FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1] BINARY[1]<1.3> BINARY.PEEK[9])")
    assert said == (
        b"* 1 FETCH (BINARY.SIZE[1] 5 BINARY[1] ~{5}\r\nab\0cd BINARY[1]<1> ~{3}\r\nb\0c BINARY[9] NIL"
        b" FLAGS (\\Seen \\Recent))\r\nx OK FETCH completed\r\n"
    )
    assert "BINARY[1] {7}\r\ngrüße)".encode() in client.raw("FETCH 2 BINARY.PEEK[1]")
    assert b"BINARY[1] {8}\r\none\r\ntwo)" in client.raw("FETCH 3 BINARY.PEEK[1]")
    assert b"BINARY.SIZE[1] 8" in client.raw("FETCH 3 BINARY.SIZE[1]")


def test_an_encoding_that_is_not_known(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append(message(b"x", "x-uuencode"))
    client.say("NOOP")
    assert client.say("FETCH 1 BINARY[1]")[-1].startswith("NO [UNKNOWN-CTE]")
    assert client.say("FETCH 1 BINARY.SIZE[1]")[-1].startswith("NO [UNKNOWN-CTE]")


@pytest.mark.parametrize("nul", [b"", b"\0"])
def test_a_large_part_passes_through(imap: Imap, monkeypatch: pytest.MonkeyPatch, nul: bytes) -> None:
    monkeypatch.setattr(rendering, "SMALL_OCTETS", 100)
    monkeypatch.setattr(passing, "CHUNK_OCTETS", 77)
    client = imap.client(select="INBOX")
    content = bytes(range(1, 200)) * 5 + nul
    client.append(message(base64.encodebytes(content).replace(b"\n", b"\r\n")))
    client.say("NOOP")
    sign = b"~" if nul else b""
    whole = client.raw("FETCH 1 BINARY.PEEK[1]")
    assert whole == b"* 1 FETCH (BINARY[1] %b{%d}\r\n%b)\r\nx OK FETCH completed\r\n" % (
        sign,
        len(content),
        content,
    )
    part = client.raw("FETCH 1 (BINARY.PEEK[1]<100.300> BINARY.SIZE[1])")
    expected = b"* 1 FETCH (BINARY[1]<100> %b{300}\r\n%b BINARY.SIZE[1] %d)\r\n"
    assert part.startswith(expected % (sign, content[100:400], len(content)))
    assert b"BINARY[1]<9000> %b{0}\r\n)" % sign in client.raw("FETCH 1 BINARY.PEEK[1]<9000.10>")


def test_a_message_with_nul_is_refused(imap: Imap) -> None:
    client = imap.client()
    assert client.say(b"APPEND INBOX ~{3+}\r\na\0b")[-1].startswith("NO [UNKNOWN-CTE]")
    assert client.say(b"APPEND INBOX {3+}\r\na\0b")[-1].startswith("BAD")


def test_many_messages_in_runs(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SMALL_OCTETS", 60)
    monkeypatch.setattr(runs, "RUN_OCTETS", 150)
    client = imap.client(select="INBOX")
    letters = [b"Subject: %d\r\n\r\n%b\r\n" % (n, b"x" * (n * 7 % 90)) for n in range(40)]
    for letter in letters:
        client.append(letter)
    client.say("NOOP")
    said = client.raw("FETCH 1:* (UID BODY.PEEK[] BODY.PEEK[TEXT]<0.3> BINARY.PEEK[1])")
    expected = b"".join(
        b"* %d FETCH (UID %d BODY[] {%d}\r\n%b BODY[TEXT]<0> {%d}\r\n%b BINARY[1] {%d}\r\n%b)\r\n"
        % (n, n, len(letter), letter, len(text[:3]), text[:3], len(text), text)
        for n, letter in enumerate(letters, start=1)
        for text in [letter.partition(b"\r\n\r\n")[2]]
    )
    assert said == expected + b"x OK FETCH completed\r\n"
    assert client.say("SEARCH BODY " + "x" * 84)[0] == "* SEARCH 13 26 39"
