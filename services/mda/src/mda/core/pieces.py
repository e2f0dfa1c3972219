"""A message in pieces, each as some reader might open it.

A scanner that reads MIME its own way can be led to see something else than the
recipient's program does. So it is given, besides the message as a whole, what
every reading of it would give out:

- each leaf part, decoded by every Content-Transfer-Encoding that its header
  names (a header may name two), in the variants that decoders disagree about;
- messages inside that were encoded, in pieces themselves;
- every run of lines that is base64, wherever it stands and whatever is said of
  it: this needs no structure at all.

Linear in the size of the message; the number of pieces and their octets are
bounded, and what is beyond is still looked at as part of the whole. No single step takes long, so that
other threads get their turn.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator

from mailmsg.facts import examine
from mailmsg.parts import MalformedParts, Part, decode_parts

PIECES = 200
# So many times the message's size, all pieces together: a message holds all those inside it.
PIECES_SIZE = 4
RUNS = 50
DEPTH = 4
WINDOW_OCTETS = 256 * 1024
# A run shorter than this holds nothing worth hiding: 48 octets decoded.
RUN_OCTETS = 64
HEADER_OCTETS = 64 * 1024
_ENCODING = re.compile(rb"^content-transfer-encoding[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.I | re.M)
# A message by its look: what the part is called may be a lie.
_LIKE_MESSAGE = re.compile(rb"[!-9;-~]{1,76}[ \t]*:")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)
# Possessive, so that a line is read once.
_RUN = re.compile(rb"(?:^[A-Za-z0-9+/]{2,}+={0,2}+[ \t]*+(?:\r?\n|\Z))++", re.M)


def pieces(message: bytes, parts: bytes) -> Iterator[bytes]:
    """Pieces of a message whose part index this is, none twice. Nothing for a plain text without encoding."""
    given: set[bytes] = set()
    octets = 0
    for piece in _pieces(message, parts, DEPTH):
        octets += len(piece)
        if octets > PIECES_SIZE * len(message) + WINDOW_OCTETS:
            return
        digest = hashlib.blake2b(piece, digest_size=16).digest()
        if piece and digest not in given:
            given.add(digest)
            yield piece
            if len(given) == PIECES:
                return


def _pieces(message: bytes, parts: bytes, depth: int) -> Iterator[bytes]:
    try:
        index = decode_parts(parts).parts
    except MalformedParts:
        index = ()
    leaves = [part for part in index if part.section and not part.media_type.startswith("multipart/")]
    covered: list[tuple[int, int]] = []
    # What holds others comes last: it is large, and all in it was given.
    leaves.sort(key=lambda leaf: leaf.holds_message)
    for leaf in leaves:
        encodings = _encodings(message, leaf)
        start, end = leaf.body_offset, leaf.body_offset + leaf.body_octets
        body = message[start:end]
        if "base64" in encodings:
            covered.append((start, end))
        if len(leaves) > 1 or not leaf.media_type.startswith("text/"):
            # As it stands: a part of its own has no octets around it.
            yield body
        for decoded in _decoded(body, encodings):
            yield decoded
            if depth and _LIKE_MESSAGE.match(decoded):
                yield from _pieces(decoded, examine(decoded).parts, depth - 1)
    for run in _runs(message, sorted(covered)):
        yield from _base64(run)


def _encodings(message: bytes, part: Part) -> set[str]:
    named = {part.encoding}
    header = message[part.header_offset : min(part.body_offset, part.header_offset + HEADER_OCTETS)]
    named |= {found[1].decode("latin-1").lower() for found in _ENCODING.finditer(header)}
    meant = set()
    for name in named:
        # As generous as the most generous reader: `base-64`, `x-base64`, `base64 (really)`.
        if "64" in name:
            meant.add("base64")
        elif "quoted" in name:
            meant.add("quoted-printable")
        elif "uu" in name:
            meant.add("uuencode")
    return meant


def _decoded(body: bytes, encodings: set[str]) -> Iterator[bytes]:
    if "base64" in encodings:
        yield from _base64(body)
    if "quoted-printable" in encodings:
        yield binascii.a2b_qp(body)
    if "uuencode" in encodings:
        yield _uuencoded(body)


def _base64(text: bytes) -> Iterator[bytes]:
    """RFC 2045 §6.8 says to ignore what is no base64; decoders disagree about what follows padding."""
    clean = b"".join(window.translate(None, _NOT_BASE64) for window in _windows(text))
    segments = [segment for segment in clean.split(b"=") if segment]
    if not segments:
        return
    # It ends at the first padding; each padding begins anew; padding is nothing.
    yield _unpadded(segments[0])
    if len(segments) > 1:
        yield b"".join(_unpadded(segment) for segment in segments)
        yield _unpadded(b"".join(segments))


def _unpadded(segment: bytes) -> bytes:
    # One character left over is no octet.
    length = len(segment) - (len(segment) % 4 == 1)
    padded = segment[:length] + b"=" * (-length % 4)
    return b"".join(binascii.a2b_base64(window) for window in _windows(padded))


def _windows(octets: bytes) -> Iterator[bytes]:
    # As large as a multiple of four, the unit of base64.
    return (octets[at : at + WINDOW_OCTETS] for at in range(0, len(octets), WINDOW_OCTETS))


def _uuencoded(body: bytes) -> bytes:
    out = bytearray()
    for line in body.splitlines():
        try:
            out += binascii.a2b_uu(line)
        except binascii.Error:
            # `begin`, `end`, or text around it.
            continue
    return bytes(out)


def _runs(message: bytes, covered: list[tuple[int, int]]) -> Iterator[bytes]:
    """Runs of base64 that no part declares; `covered` is in ascending order."""
    found = at = 0
    for start, end in _spans(message, covered):
        if end - start < RUN_OCTETS:
            continue
        while at < len(covered) and covered[at][1] < end:
            at += 1
        if at < len(covered) and covered[at][0] <= start:
            continue
        yield message[start:end]
        found += 1
        if found == RUNS:
            return


def _spans(message: bytes, covered: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Where runs stand; window by window, each ending with a line, without those that are covered altogether."""
    position = at = 0
    open_run: tuple[int, int] | None = None
    while position < len(message):
        cut = message.find(b"\n", position + WINDOW_OCTETS)
        end = len(message) if cut < 0 else cut + 1
        while at < len(covered) and covered[at][1] < end:
            at += 1
        if at < len(covered) and covered[at][0] <= position:
            spans = [(position, end)]
        else:
            spans = [run.span() for run in _RUN.finditer(message, position, end)]
        for start, stop in spans:
            if open_run is not None and open_run[1] == start:
                # It goes on from the window before.
                open_run = (open_run[0], stop)
                continue
            if open_run is not None:
                yield open_run
            open_run = (start, stop)
        position = end
    if open_run is not None:
        yield open_run
