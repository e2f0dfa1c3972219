"""Reports from strangers that are small on the wire and would be a gigabyte in memory."""

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from senderauth.reports import ReportFault, dmarc, tls, unpacked

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (tls.parse, b'{"policies":[' + b"[]," * 2_000_000 + b"0]}"),
        (tls.parse, b'{"policies":[' + b'{"":0},' * 1_000_000 + b"0]}"),
        (tls.parse, ('{"contact-info":"\N{PILE OF POO}' + "x" * 9 * MEGABYTE + '"}').encode()),
        (dmarc.parse, b"<feedback>" + b"".join(b"<a%x/>" % each for each in range(300_000))),
        (
            dmarc.parse,
            b"<feedback><a " + b" ".join(b'a%x=""' % each for each in range(300_000)) + b"/></feedback>",
        ),
        (
            dmarc.parse,
            b"<feedback>"
            + b"".join(
                b"<a " + b" ".join(b'a%x=""' % (tag * 2_000 + each) for each in range(2_000)) + b"/>"
                for tag in range(100)
            ),
        ),
        (dmarc.parse, b"<feedback><!--" + b"-x" * 2 * MEGABYTE + b"--></feedback>"),
    ],
    ids=["lists", "objects", "wide-text", "names", "attributes-of-a-tag", "attributes", "comment"],
)
def test_what_would_grow_in_memory_is_left_unread(
    parse: Callable[[bytes], object | ReportFault], data: bytes
) -> None:
    assert len(gzip.compress(data, 1)) < MEGABYTE * 2
    tracemalloc.start()
    try:
        read = parse(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(read, ReportFault)
    assert most < 32 * MEGABYTE


def test_fields_that_nobody_knows_fill_no_memory() -> None:
    names = [f"a{each}" for each in range(200)]
    paths = "".join(f"<{a}>{''.join(f'<{b}/>' for b in names)}</{a}>" for a in names)
    row = dmarc.Row("192.0.2.1", "none", "pass", "pass", "example.org")
    published = dmarc.Published("example.org", "none")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    report = dmarc.DmarcReport("o", "e@example.net", "1", at, at, published, ((row, 3),))
    data = dmarc.build(report).replace(b"<record>", paths.encode() + b"<record>", 1)
    tracemalloc.start()
    try:
        read = dmarc.parse(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What it knows is read all the same, as it came first.
    assert isinstance(read, dmarc.DmarcReport)
    assert read.rows[0][1] == 3
    assert most < 3 * MEGABYTE


def test_an_archive_says_not_how_much_memory_it_takes() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("r.xml", b"<x/>" * 1000)
    packed = bytearray(made.getvalue())
    properties = packed.find(b"\x09\x04\x05\x00") + 5
    # The size of its dictionary: what a reader sets aside before the first octet.
    packed[properties : properties + 4] = b"\xff\xff\xff\xff"
    assert isinstance(unpacked(bytes(packed)), ReportFault)
