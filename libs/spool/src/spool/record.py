"""A record: a message that describes itself.

    "PHR1"            4 octets, so that something else is not taken for a record
    envelope length   4 octets, big-endian
    message length    8 octets, big-endian
    envelope          protobuf
    message           exactly as received

An object holds one record or several, one after the other. So the loss of the
whole bus loses nothing: what is accepted can be found and put back from S3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from spool.codec import Malformed, decode_envelope, encode_envelope
from spool.envelope import Envelope

MAGIC = b"PHR1"
HEAD = struct.Struct(">4sIQ")


@dataclass(frozen=True, slots=True)
class Record:
    """One record found in an object: its envelope, and where its message lies."""

    envelope: Envelope
    offset: int
    length: int


def head(encoded: bytes, size_octets: int) -> bytes:
    """What stands before a message of that size; `encoded` is its envelope (codec.encode_envelope)."""
    return HEAD.pack(MAGIC, len(encoded), size_octets) + encoded


def head_of(envelope: Envelope) -> bytes:
    """What stands before the message of an envelope."""
    return head(encode_envelope(envelope), envelope.size_octets)


def read_records(data: bytes) -> Iterator[Record]:
    """The records of a whole object. Raises Malformed at what is not one."""
    position = 0
    while position < len(data):
        if len(data) - position < HEAD.size:
            raise Malformed(f"a record is cut off at {position}")
        magic, envelope_octets, message_octets = HEAD.unpack_from(data, position)
        start = position + HEAD.size
        offset = start + envelope_octets
        if magic != MAGIC or offset + message_octets > len(data):
            raise Malformed(f"no record at {position}")
        yield Record(decode_envelope(data[start:offset]), offset, message_octets)
        position = offset + message_octets
