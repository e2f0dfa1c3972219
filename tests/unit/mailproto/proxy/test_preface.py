"""The PROXY protocol's preface: both versions, in any pieces, bounded."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.proxy import Endpoint, Preface, PrefaceInvalid, PrefaceReader
from mailproto.proxy.preface import SIGNATURE, VERSION_2_OCTETS


def version_2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


V4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack("!HH", 5000, 25)
V6 = bytes.fromhex("20010db8000000000000000000000001" * 2) + struct.pack("!HH", 5000, 25)
GOOD = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 25\r\n", Endpoint("192.0.2.1", 5000)),
    (b"PROXY TCP6 2001:DB8::1 2001:db8::2 5000 25\r\n", Endpoint("2001:db8::1", 5000)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n", None),
    (version_2(0x21, 0x11, V4), Endpoint("192.0.2.1", 5000)),
    (version_2(0x21, 0x21, V6), Endpoint("2001:db8::1", 5000)),
    (version_2(0x21, 0x11, V4 + b"\x04\x00\x03abc"), Endpoint("192.0.2.1", 5000)),
    (version_2(0x20, 0x11, V4), None),
    (version_2(0x20, 0x00, b""), None),
    (version_2(0x21, 0x00, b""), None),
    (version_2(0x21, 0x31, b"\0" * 216), None),
]


@pytest.mark.parametrize(("octets", "source"), GOOD)
def test_prefaces_whole_and_octet_by_octet(octets: bytes, source: Endpoint | None) -> None:
    assert PrefaceReader().feed(octets + b"EHLO x\r\n") == Preface(source, b"EHLO x\r\n")
    reader = PrefaceReader()
    assert [reader.feed(octets[at : at + 1]) for at in range(len(octets) - 1)] == [None] * (len(octets) - 1)
    assert reader.feed(octets[-1:]) == Preface(source, b"")


@pytest.mark.parametrize(
    "octets",
    [
        *(b"EHLO x\r\n", b"\r\nQ", b"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", b"PROXY\r\n", b"\x16\x03\x01"),
        *(
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
            b"PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n",
            b"PROXY " + b"x" * 200,
        ),
        *(
            b"PROXY TCP4 ::1 ::1 1 1\r\n",
            b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        ),
        *(
            b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
            b"PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
        ),
        *(
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
            b"PROXY UNKNOWNX\r\n",
            version_2(0x11, 0x11, V4),
            version_2(0x22, 0x11, V4),
        ),
        *(version_2(0x21, 0x12, V4), version_2(0x21, 0x11, V4[:-1]), version_2(0x21, 0x21, V4)),
        version_2(0x21, 0x11, V4 + b"\0" * VERSION_2_OCTETS),
    ],
)
def test_what_is_no_preface(octets: bytes) -> None:
    with pytest.raises(PrefaceInvalid):
        PrefaceReader().feed(octets)


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: SIGNATURE + tail)))
def test_junk_ends_or_waits(junk: bytes) -> None:
    try:
        preface = PrefaceReader().feed(junk)
    except PrefaceInvalid:
        return
    assert preface is None or preface.source is None or preface.source.port <= 65_535
