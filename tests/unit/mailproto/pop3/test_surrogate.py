"""Headers in UTF-8 made ASCII, and all else left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.address import Address, parse_addresses
from mailmsg.header import first_value
from mailmsg.words import decode_words
from mailproto.pop3.surrogate import MOST_HEADER_OCTETS, HeaderSurrogate, surrogate


def passed(message: bytes, step: int = 1 << 20) -> bytes:
    filter_ = HeaderSurrogate()
    out = [filter_.pass_on(message[start : start + step]) for start in range(0, len(message), step)]
    return b"".join(out) + filter_.finish()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"Subject: plain\r\n\r\nbody\r\n",
        b"Subject: plain\r\nX: folded\r\n here\r\n\r\n\xff\xc3\xa4 body\r\n",
        b"\r\n\xc3\xa4 no header",
        b"Subject: ends in the header",
        # Old mail of somebody careless: Latin-1 without a word about it.
        b"Subject: Gr\xfc\xdfe\r\n\r\nbody\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_what_needs_no_surrogate_is_passed_as_it_is(message: bytes, step: int) -> None:
    assert passed(message, step) == message


def test_text_and_names_become_encoded_words() -> None:
    made = surrogate(
        'Subject: Grüße =?utf-8?Q?aus_K=C3=B6ln?=\r\nFrom: "Zoë, Älteste" <zoe@example.test>\r\n'
        "To: alice@example.test,\r\n Bob Ö <bob@example.test>, team: c@d.test, Ü <e@f.test>;\r\n\r\n".encode()
    )
    assert made.isascii()
    assert decode_words(first_value(made, b"Subject") or b"") == "Grüße aus Köln"
    [sender] = parse_addresses(first_value(made, b"From") or b"")
    assert isinstance(sender, Address)
    assert (decode_words(sender.name), sender.address) == ("Zoë, Älteste", b"zoe@example.test")
    to = first_value(made, b"To") or b""
    for address in (b"alice@example.test", b"<bob@example.test>", b"c@d.test", b"<e@f.test>;"):
        assert address in to


def test_an_address_that_is_not_ascii_is_named_and_can_not_be_written_to() -> None:
    made = surrogate("To: Ü <ü@example.test>, a@b.test\r\n".encode())
    first, second = parse_addresses(first_value(made, b"To") or b"")
    assert not isinstance(first, Address)
    assert first.members == ()
    assert "ü@example.test" in decode_words(first.name)
    assert isinstance(second, Address)


def test_structured_fields_keep_their_structure() -> None:
    made = surrogate('Content-Type: application/pdf; name="Plön.pdf"\r\nX-Odd: a ä b\r\n'.encode())
    assert made.isascii()
    assert made.startswith(b'Content-Type: application/pdf; name="Pl=?utf-8?B?w7Y=?=n.pdf"\r\n')


def test_an_endless_header_is_not_held_back() -> None:
    field = b"X: " + b"\xc3\xa4" * 500 + b"\r\n"
    filter_ = HeaderSurrogate()
    out = b""
    for _ in range(2 * MOST_HEADER_OCTETS // len(field)):
        out += filter_.pass_on(field)
    assert len(filter_._held) <= 3
    out += filter_.pass_on(b"\r\n\xc3\xa4 body") + filter_.finish()
    header, _, body = out.partition(b"\r\n\r\n")
    assert header.isascii()
    assert body == b"\xc3\xa4 body"


PIECES = st.sampled_from(
    [
        "Subject: ",
        "From: ",
        "To: ",
        "ä",
        "ü@b.test",
        "<",
        ">",
        '"',
        ",",
        ";",
        ":",
        "\r\n",
        "\n",
        " ",
        "\t",
        "a",
        "(",
        ")",
        "=?utf-8?Q?=C3=A4?=",
        "Content-Type: ",
        "\\",
        "@",
        "\x00",
    ]
).map(str.encode)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(1, 9))
def test_any_utf8_header_comes_out_in_ascii_and_no_octet_of_the_body_is_touched(
    header: bytes, step: int
) -> None:
    header = (
        header.replace(b"\n\r\n", b"\n").replace(b"\n\n", b"\n").lstrip(b"\r\n").rstrip(b"\r\n") + b"\r\n"
    )
    if b"\n\r\n" in header or b"\n\n" in header or header == b"\r\n":
        return
    body = b"\xc3\xa4 body \xff"
    made = passed(header + b"\r\n" + body, step)
    assert made.endswith(b"\r\n\r\n" + body)
    assert made.removesuffix(body).isascii()
    assert made == passed(header + b"\r\n" + body)


@pytest.mark.parametrize("step", [1 << 30, 100_000, 4_001])
def test_a_header_that_is_too_long_is_so_however_much_of_it_comes_at_once(step: int) -> None:
    field = "To: ä@b.test\r\n".encode()
    header = field * (MOST_HEADER_OCTETS // len(field) + 1)
    made = passed(header + b"\r\nb", step)
    assert made == field.replace("ä".encode(), b"?") * (len(header) // len(field)) + b"\r\nb"
