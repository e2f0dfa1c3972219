"""Binary and 8-bit messages as every system takes them: what is decoded again is what was there."""

import email
import email.policy
import tracemalloc
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.downgrade import CannotConvert, is_seven_bit, to_seven_bit

MIXED = (
    b"From: a@b.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n'
)


def multipart(*parts: bytes) -> bytes:
    return MIXED + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def leaves(message: bytes) -> list[bytes]:
    found = email.message_from_bytes(message, policy=email.policy.compat32)
    return [_payload(part) for part in found.walk() if not part.is_multipart()]


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


@pytest.mark.parametrize(
    ("part", "body", "encoding"),
    [
        (
            b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n",
            bytes(range(256)) * 9,
            "base64",
        ),
        (
            b"Content-Type: text/plain; charset=utf-8\r\n\r\n",
            "Grüße\r\n an alle, die das hier lesen \r\n".encode(),
            "quoted-printable",
        ),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n", "日本語のメール\r\n".encode(), "base64"),
        (
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: BINARY\r\n\r\n",
            b"bare\nline\rends",
            "base64",
        ),
        (b"Content-Type: text/plain\r\n\r\n", b"x" * 999, "quoted-printable"),
        (b"Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", b"<p>plain</p>", "7bit"),
        (b"\r\n", "keine Kopfzeilen, aber Umlaute: ä".encode(), "quoted-printable"),
        (b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n", b"AAEC", "base64"),
    ],
)
def test_a_part_is_encoded_and_means_the_same(part: bytes, body: bytes, encoding: str) -> None:
    whole = multipart(part + body, b"Content-Type: text/plain\r\n\r\nasc\xc3\xafi")
    converted = to_seven_bit(whole)
    assert is_seven_bit(converted)
    assert leaves(converted)[0] == leaves(whole)[0]
    found = email.message_from_bytes(converted)
    first = found.get_payload(0)
    assert isinstance(first, Message)
    assert first["Content-Transfer-Encoding"] == encoding
    assert found["Content-Transfer-Encoding"] == "7bit"
    assert b"preamble\r\n--b\r\n" in converted
    assert converted.endswith(b"\r\n--b--\r\n")


def test_a_message_of_one_part_says_what_it_is() -> None:
    converted = to_seven_bit("From: a@b.test\r\n\r\nGrüße an alle, die das lesen\r\n.\r\n".encode())
    assert converted == (
        b"From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe an alle, die das lesen\r\n=2E\r\n"
    )


def test_a_message_inside_a_message() -> None:
    inner = (
        b"Subject: y\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + "Umlaute: äöü und noch mehr Text".encode()
    )
    whole = multipart(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + inner)
    converted = to_seven_bit(whole)
    assert is_seven_bit(converted)
    assert leaves(converted) == leaves(whole)
    assert b"Encoding: 8bit" not in converted


def test_what_is_7bit_is_not_touched() -> None:
    for message in (
        b"",
        b"From: a@b.test\r\n\r\nplain\r\n",
        multipart(b"\r\nplain").replace(b"Content-Transfer-Encoding: binary\r\n", b""),
        b"From: a@b.test\r\n\r\nI talk of 8bit and binary\r\n",
    ):
        assert to_seven_bit(message) == message


@pytest.mark.parametrize(
    "message",
    [
        "Subject: Grüße\r\n\r\nx\r\n".encode(),
        multipart("Content-Description: Grüße\r\n\r\nx".encode()),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xff\r\n--b\r\n\r\nx\r\n--b--\r\n",
        b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n\xe4\r\n--s\r\n\r\nsig\r\n--s--\r\n",
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\xff",
        b"X: " + b"x" * 1000 + b"\r\n\r\n\xe4\r\n",
    ],
)
def test_what_cannot_be_converted(message: bytes) -> None:
    with pytest.raises(CannotConvert):
        to_seven_bit(message)


def test_a_signed_part_that_is_7bit_stays() -> None:
    signed = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\ntext\r\n--s\r\n\r\nsig\r\n--s--"
    whole = multipart(signed, b"Content-Type: image/png\r\n\r\n\xff")
    assert signed in to_seven_bit(whole)


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.sampled_from(["text/plain", "image/png"])
)
def test_any_bodies_come_back(bodies: list[bytes], kind: str) -> None:
    header = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode()
    bodies = [body.replace(b"--", b"__") for body in bodies]
    converted = to_seven_bit(multipart(*(header + body for body in bodies)))
    assert is_seven_bit(converted)
    found = leaves(converted)
    assert len(found) == len(bodies)
    for body, decoded in zip(bodies, found, strict=True):
        assert decoded == body or is_seven_bit(body)


@given(st.binary(max_size=500))
def test_any_octets_become_7bit_or_nothing(octets: bytes) -> None:
    for message in (octets, MIXED + b"--b\r\n" + octets):
        try:
            assert is_seven_bit(to_seven_bit(message))
        except CannotConvert:
            continue


@pytest.mark.parametrize(
    "body",
    [b"ab\r\n" * 100_000 + b"\xe4\r\n", b"\r\n" * 150_000 + b"\xe4", (b"\xc4\xe3" * 38 + b"\r\n") * 5_000],
    ids=["short-lines", "empty-lines", "all-8-bit"],
)
def test_lines_and_letters_take_no_more_memory_than_they_are(body: bytes) -> None:
    message = (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
    )
    tracemalloc.start()
    try:
        converted = to_seven_bit(message)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert leaves(converted) == [body]
    assert most < 7 * len(message) + 500_000
