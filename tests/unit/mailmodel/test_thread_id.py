"""Which conversation a message belongs to (RFC 8474 §5.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmodel.thread_id import OCTETS, message_ids, thread_id


def of(*lines: bytes) -> bytes:
    return thread_id(b"\r\n".join([*lines, b"", b""]), b"row")


FIRST = of(b"Subject: x", b"Message-ID: <root@x>")


@pytest.mark.parametrize(
    "lines",
    [
        (b"Message-Id:   <b@x>", b"References: <root@x>"),
        (b"REFERENCES:", b"\t<root@x>", b" <b@x>", b"Message-ID: <c@x>", b"In-Reply-To: <b@x>"),
        (b"In-Reply-To: Your message of today <root@x>", b"Message-ID: <d@x>"),
        (b'References: <"root"@x> <e@x>',),
        (b"References: nonsense", b"In-Reply-To: <root@x>"),
        (b"Message-ID: <root@x>", b"Message-ID: <second@x>"),
    ],
)
def test_answers_belong_to_what_they_answer(lines: tuple[bytes, ...]) -> None:
    assert of(*lines) == FIRST


@pytest.mark.parametrize(
    "lines",
    [
        (b"Message-ID: <other@x>",),
        (b"X-References: <root@x>", b"Message-ID: <other@x>"),
        (b"Subject: no ids",),
        (b"References: <b@x> <root@x>",),
    ],
)
def test_others_do_not(lines: tuple[bytes, ...]) -> None:
    assert of(*lines) != FIRST


def test_without_an_id_a_message_is_a_conversation_by_itself() -> None:
    assert thread_id(b"Subject: x\r\n\r\n", b"one") != thread_id(b"Subject: x\r\n\r\n", b"two")
    assert len(thread_id(b"", b"one")) == OCTETS


@given(st.binary(max_size=300))
def test_anything_has_one(header: bytes) -> None:
    assert len(thread_id(header, b"row")) == OCTETS
    message_ids(header)
