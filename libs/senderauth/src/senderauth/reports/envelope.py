"""What holds for reports of both kinds: they come compressed, from strangers, and must not become big in our hands."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

MAX_PACKED_OCTETS = 8 * 1024 * 1024
MAX_OCTETS = 32 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
# Of each file in it an archive's directory has a head; a directory of a hundred thousand is not read to refuse it.
_DIRECTORY_HEAD = b"PK\x01\x02"
_MOST_HEADS = 16
# Others let the archive say how much memory they take, up to four gigabytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class ReportFault:
    """A stranger's report that cannot be read."""

    reason: str


def unpacked(data: bytes) -> bytes | ReportFault:
    """The report in what was attached: gzip, a ZIP archive of one file, or as it is. Bounded in size."""
    if len(data) > MAX_PACKED_OCTETS:
        return ReportFault("the report is too big")
    if data.startswith(_GZIP):
        return _inflated(data)
    if data.startswith(_ZIP):
        return _unzipped(data)
    return data


def _inflated(data: bytes) -> bytes | ReportFault:
    inflater = zlib.decompressobj(wbits=31)
    try:
        found = inflater.decompress(data, MAX_OCTETS + 1)
    except zlib.error:
        return ReportFault("it is no gzip")
    if len(found) > MAX_OCTETS:
        return ReportFault("the report is too big")
    return found if inflater.eof else ReportFault("the gzip is cut off")


def _unzipped(data: bytes) -> bytes | ReportFault:
    # In packed octets one may stand by chance.
    if data.count(_DIRECTORY_HEAD) > _MOST_HEADS:
        return ReportFault("the archive is not one readable file")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.infolist()
            if len(names) != 1 or names[0].flag_bits & 1 or names[0].compress_type not in _METHODS:
                return ReportFault("the archive is not one readable file")
            with archive.open(names[0]) as member:
                found = member.read(MAX_OCTETS + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, ValueError, EOFError):
        return ReportFault("it is no ZIP archive")
    return found if len(found) <= MAX_OCTETS else ReportFault("the report is too big")
