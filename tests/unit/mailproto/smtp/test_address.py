"""Paths: what is an address and what is none, in ASCII and beyond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp.address import AddressInvalid, ascii_domain, parse_forward_path, parse_reverse_path


@pytest.mark.parametrize(
    "text",
    [
        "a@b.test",
        "a.b+c@b.test",
        '"a b"@b.test',
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "a@[x400:whatever]",
        "a@" + "b" * 63 + ".test",
        "jürgen@bücher.example",
        "用户@例え.テスト",
        '"ü ü"@b.test',
        "a@bücher.example",
        "ا.ب@مثال.إختبار",
    ],
)
def test_addresses(text: str) -> None:
    assert parse_forward_path(f"<{text}>".encode()).address == text
    assert parse_reverse_path(f"<{text}> X=1".encode()).rest == b" X=1"


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"a@",
            b"@b",
            b"a b@c",
            b"a@b c",
            b"a..b@c",
            b".a@c",
            b"a.@c",
            b"a@-b",
            b"a@b-",
            b"a@b..c",
            b'"a@c',
            b"a@b@c",
        ),
        *(b"\xff@b", b"\xc3@b", b"\xed\xa0\x80@b", b"\xc0\xaf@b", b"a@\xff.test"),
        *("a\u2028b@c".encode(), "a\u2029@c".encode(), "a\x85b@c".encode(), "a\u00a0b@c".encode()),
        *("a\u202eb@c".encode(), "a\ufeff@c".encode(), "a\ue000@c".encode(), "a\u3000b@c".encode()),
        *("a@b\u2028.test".encode(), "a@\u0300.test".encode(), "a@b\u00ad\u200b.test".encode()),
        *(b"a@[999.1.1.1]", b"a@[1.2.3]", b"a@[IPv6:zz]", b"a@[IPv6:]", b"a@[:x]", b"a@[::1]"),
        *(b"a@" + b"b" * 64 + b".test", b"a@" + "ü".encode() * 60 + b".test"),
        *(b"a" * 65 + b"@c", "ü".encode() * 33 + b"@c", b"a@" + b"b." * 128 + b"c"),
    ],
)
def test_what_is_none(text: bytes) -> None:
    with pytest.raises(AddressInvalid):
        parse_forward_path(b"<" + text + b">")


@given(st.binary(max_size=60))
def test_no_address_breaks_a_line(junk: bytes) -> None:
    try:
        address = parse_forward_path(b"<" + junk + b">").address
    except AddressInvalid:
        return
    assert len(address.splitlines()) <= 1
    assert "\0" not in address
    address.encode("utf-8")


def test_the_form_that_dns_knows() -> None:
    assert ascii_domain("BÜCHER.Example") == "xn--bcher-kva.example"
    assert ascii_domain("Example.ORG") == "example.org"
    # ß is a letter of its own (IDNA 2008), not ss.
    assert ascii_domain("straße.example") == "xn--strae-oqa.example"
