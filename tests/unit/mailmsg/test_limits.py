"""What goes over a limit is opaque, so that what is said of a message fits into one message of the bus."""

import pytest
from mailmsg.bodystructure import MAX_STRUCTURE_OCTETS
from mailmsg.facts import examine
from mailmsg.tree import MAX_HEADERS_READ_OCTETS, TooComplex, scan

OPAQUE = b'("APPLICATION" "OCTET-STREAM"'


def multipart(parts: int, fields: bytes) -> bytes:
    part = b"--b\r\n" + fields + b"\r\nx\r\n"
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * parts


def test_a_structure_that_would_be_too_long_is_not_told() -> None:
    fields = b"Content-Type: a/b; " + b"; ".join(b"name%d=%b" % (n, b"v" * 40) for n in range(16)) + b"\r\n"
    small, large = multipart(50, fields), multipart(900, fields)
    assert len(examine(small).bodystructure) > 20_000
    scan(large)
    facts = examine(large)
    assert facts.bodystructure.startswith(OPAQUE)
    assert len(facts.bodystructure) + len(facts.body) < MAX_STRUCTURE_OCTETS


def test_headers_of_parts_are_read_so_far_together() -> None:
    fields = b"X: " + b"v" * 200 * 1024 + b"\r\n"
    assert not examine(multipart(4, fields)).bodystructure.startswith(OPAQUE)
    too_many = multipart(MAX_HEADERS_READ_OCTETS // len(fields) + 1, fields)
    with pytest.raises(TooComplex):
        scan(too_many)
    assert examine(too_many).bodystructure.startswith(OPAQUE)
