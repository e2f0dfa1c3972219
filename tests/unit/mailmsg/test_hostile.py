"""Messages made to hurt: linear time, bounded memory, and still an answer that a client can read."""

import os
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.address import parse_addresses
from mailmsg.bodystructure import MAX_STRUCTURE_OCTETS
from mailmsg.facts import examine
from mailmsg.header import Selection, fields, select_fields
from mailmsg.parts import decode_parts
from mailmsg.words import decode_words

from tests.fuzz.mime_messages import check_wire


def nested_multiparts(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(depth)
    )


MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
HOSTILE = {
    "depth": nested_multiparts(100_000) + b"\r\nx",
    "same boundary at every depth": (MULTIPART + b"--b\r\n") * 100_000,
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 100_000,
    "million parts": MULTIPART + b"--b\r\n\r\nx\r\n" * 1_000_000,
    "million empty parts": MULTIPART + b"--b\r\n" * 1_000_000,
    "500,000 headers": b"".join(b"X-%d: v\r\n" % i for i in range(500_000)) + b"\r\nx",
    "500,000 recipients' fields": b"To: a@b.c\r\n" * 500_000 + b"\r\nx",
    "folded for ever": b"Subject: x\r\n" + b" y\r\n" * 2_000_000,
    "hyphens": MULTIPART + b"--b\r\n\r\n" + b"--\n" * 3_000_000,
    "part without end of header": MULTIPART + b"--b\r\n" + b"X: y\r\n" * 2_000_000,
    "commas": b"To: " + b"," * 10_000_000,
    "comments": b"To: " + b"(" * 5_000_000,
    "quotes": b"To: " + b'"\\' * 5_000_000,
    "brackets": b"From: " + b"a<" * 5_000_000,
    "routes": b"From: <" + b"@a," * 3_000_000,
    "groups": b"To: " + b"a:b;" * 2_000_000,
    "parameters": b"Content-Type: a/b; " + b"a=b;" * 2_000_000,
    "semicolons": b"Content-Type: a/b" + b";" * 10_000_000,
    "parameter comments": b"Content-Type: a/b; " + b"(" * 5_000_000,
    "date": b"Date: " + b"(" * 5_000_000,
    "digests of lists": b"Content-Type: multipart/digest; boundary=b\r\n\r\n"
    + (b"--b\r\n\r\nTo: " + b"a:" * 500 + b"\r\n\r\nx\r\n") * 900,
    "list ids": b"List-Id: " + b"<>" * 5_000_000,
    "list id in pieces": b"List-Id: <" + b"a\r\n " * 3_000_000 + b">",
    "random": os.urandom(5_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bombs_are_examined_in_bounded_time_and_memory(name: str) -> None:
    message = HOSTILE[name]
    started = time.process_time()
    facts = examine(message)
    assert time.process_time() - started < 1.0
    assert len(facts.envelope) < 80 * 1024
    assert len(facts.bodystructure) < 2 * MAX_STRUCTURE_OCTETS
    assert len(facts.parts) < 128 * 1024
    assert decode_parts(facts.parts).resolve((), "BODY") == (0, len(message))


@pytest.mark.parametrize("name", ["depth", "million parts", "500,000 headers", "commas", "folded for ever"])
def test_bombs_take_little_memory(name: str) -> None:
    message = HOSTILE[name]
    tracemalloc.start()
    examine(message)
    peak_octets = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A field's value may be copied a few times; nothing else grows with the message.
    assert peak_octets < 8 * 1024 * 1024 + len(message)


def _cost(message: bytes) -> float:
    best = 9.0
    for _ in range(3):
        started = time.process_time()
        examine(message)
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize(
    "make",
    [
        lambda n: b"X-A: v\r\n" * n,
        lambda n: MULTIPART + b"--b\r\n" + b"X: y\r\n" * n,
        lambda n: MULTIPART + b"--b\r\n\r\n" + b"text \r\n--not\r\n" * (n // 4),
        lambda n: b"Content-Type: message/rfc822\r\n\r\n" * 60 + b"a\r\n" * n,
        lambda n: nested_multiparts(60) + b"\r\n" + b"a\r\n" * n,
    ],
)
def test_twice_the_message_costs_about_twice_the_time(make: Callable[[int], bytes]) -> None:
    small, large = _cost(make(400_000)), _cost(make(800_000))
    assert large < 3 * small + 0.02


def test_too_many_parts_are_opaque_but_the_header_counts() -> None:
    facts = examine(b"Subject: many\r\nFrom: a@b\r\n" + MULTIPART + b"--b\r\n\r\nx\r\n" * 2000)
    assert facts.body.startswith(b'("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BINARY" ')
    assert b'"many"' in facts.envelope


def test_too_deep_is_opaque_but_the_neighbours_are_found() -> None:
    message = (
        MULTIPART
        + b"--b\r\n"
        + nested_multiparts(100).replace(b"boundary=b", b"boundary=c").replace(b"--b", b"--c")
    ) + b"\r\ndeep\r\n--b\r\n\r\nneighbour\r\n--b--\r\n"
    index = decode_parts(examine(message).parts)
    where = index.resolve((2,), "BODY")
    assert where is not None
    assert message[where[0] : sum(where)] == b"neighbour"
    assert "application/octet-stream" in {part.media_type for part in index.parts}


PIECES = st.sampled_from(
    [
        b"Content-Type: ", b"multipart/mixed", b"message/rfc822", b"text/plain", b"; boundary=", b"b", b'"', b"(", b")",
        b"\r\n", b"\n", b"\r", b"--b", b"--", b" ", b"\t", b"To: ", b"<", b">", b"@", b",", b";", b":", b"\\", b"\0",
        b"\xff", b"x", b"=?utf-8?q?", b"=?utf-8?b?", b"?=", b"Date: ", b"1 Jan", b"[", b"]",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=80).map(b"".join))
def test_nothing_raises_and_all_offsets_lie_inside(message: bytes) -> None:
    facts = examine(message)
    check_wire(facts.envelope)
    check_wire(facts.bodystructure)
    check_wire(facts.body)
    for part in decode_parts(facts.parts).parts:
        assert 0 <= part.header_offset <= part.body_offset <= part.text_offset
        assert part.text_offset <= part.body_offset + part.body_octets <= len(message)
    parse_addresses(message)
    decode_words(message)


@given(st.lists(PIECES, max_size=60).map(b"".join))
def test_named_and_other_fields_make_the_whole_header(block: bytes) -> None:
    names = [b"to", b"content-type"]
    named = select_fields(block, names, Selection.NAMED)
    others = select_fields(block, names, Selection.NOT_NAMED)
    assert len(list(fields(named))) + len(list(fields(others))) == len(list(fields(block)))
    assert named.endswith(b"\r\n")
